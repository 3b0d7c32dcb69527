"""Angles and shifts refined together with the atoms, on public series with known errors; prints a Markdown table.

python scripts/benchmark_geometry.py DATA [--only angles shifts]

DATA is the folder that holds fept64_angles/ and fept321/. Atoms are traced in a reconstruction with the wrong
geometry, and fitted from there. Errors of angles are counted after the rotation of the particle that suits all images
best, errors of shifts after the best translation: no series can tell these.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pann.core import AtomicModel, TiltSeries
from pann.core.geometry import rotation_matrices
from pann.fitting import FitResult, fit
from pann.io import read_angles, read_tilt_series, read_volume
from pann.metrics import score
from pann.report.markdown import markdown_row, markdown_table
from pann.tomography import align, reconstruct
from pann.tracing import trace

PIXEL = 0.417
"""[Å]: the neighbours of the FePt lattice, 6.48 pixels apart, are then at 2.70 Å."""
MIN_DISTANCE = 1.5
"""[Å]"""
HEADER = (
    "data",
    "fit",
    "angle error, rms [deg]",
    "by axis",
    "shift error, rms [pixels]",
    "R-factor",
    "atoms",
    "RMSD [pm]",
)


def angle_errors(found: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation vectors [deg] between two sets of Euler angles, and the rotation (3, 3) of the particle taken off."""
    ours, theirs = rotation_matrices(found), rotation_matrices(true)
    common = Rotation.from_matrix(ours.transpose(0, 2, 1) @ theirs).mean().as_matrix()
    return np.rad2deg(Rotation.from_matrix(ours @ common @ theirs.transpose(0, 2, 1)).as_rotvec()), common


def shift_error(found: np.ndarray, true: np.ndarray, rotations: np.ndarray) -> float:
    """Root mean square error (pixels, both directions together) of shifts (n_tilts, 2), a translation taken off."""
    view, difference = rotations[:, :2].reshape(-1, 3), (found - true).reshape(-1)
    rest = difference - view @ np.linalg.lstsq(view, difference, rcond=None)[0]
    return float(np.sqrt(2 * np.mean(rest**2)))


def traced(series: TiltSeries) -> AtomicModel:
    """Atoms of a reconstruction."""
    return trace(reconstruct(series, progress=False), min_distance=MIN_DISTANCE)


def run(series: TiltSeries, start: AtomicModel, **options: bool) -> FitResult:
    """Iron and platinum are not told apart beforehand: every atom has its own intensity."""
    return fit(series, start, intensities="atom", covariance="none", progress=False, **options)


def wrong_angles(folder: Path) -> Iterator[tuple[str, ...]]:
    """Series whose given angles are up to 3° off in all three."""
    true, given = (
        read_angles(folder / f"{name}_1015.mat") for name in ("GroundTruth_angles_Turbu3", "angles_usedin_refine")
    )
    truth = trace(read_volume(folder / "FePt_Vol_64_asymmetric.mat", voxel_size=PIXEL), min_distance=MIN_DISTANCE)
    series = read_tilt_series(folder / "pj_new_Turbu3_1015.mat", angles=given, pixel_size=PIXEL, kind="intensity")
    start = traced(series)

    def row(name: str, angles: np.ndarray, model: AtomicModel, r_factor: float) -> tuple[str, ...]:
        errors, common = angle_errors(angles, true)
        scores = score(model.replace(positions=model.positions @ common, covariance=None), truth, radius=1.0)
        rms = f"{np.sqrt((errors**2).sum(1).mean()):.3f}"
        axes = ", ".join(f"{value:.3f}" for value in np.sqrt((errors**2).mean(0)))
        atoms = f"{scores['matched']}/{len(truth)}"
        return "fept64_angles", name, rms, axes, "-", f"{r_factor:.4f}", atoms, f"{scores['rmsd_pm']:.2f}"

    plain = run(series, start)
    yield row("start", given, start, plain.r_factor_before)
    yield row("angles held", given, plain.model, plain.r_factor_after)
    for name, options in (("angles", {}), ("angles, shifts, scales", {"shifts": True, "scales": True})):
        result = run(series, start, angles=True, **options)
        yield row(name, result.angles, result.model, result.r_factor_after)


def misaligned(folder: Path) -> Iterator[tuple[str, ...]]:
    """Series whose images were moved by whole pixels; the aligned one tells by how many."""
    angles = read_angles(folder / "angles.mat")
    moved, still = (
        read_tilt_series(folder / f"{name}.mat", angles=angles, pixel_size=PIXEL, kind="intensity")
        for name in ("projections_FePt_misaligned", "projections_FePt")
    )
    true = np.array([_whole_shift(a, b) for a, b in zip(moved.images, still.images, strict=True)])
    aligned = align(moved, "centre_of_mass")
    start = traced(aligned.series)
    plain, refined = run(aligned.series, start), run(aligned.series, start, shifts=True)
    found = refined.shifts / PIXEL - aligned.shifts
    images = [ndimage.shift(image, -move, mode="nearest") for image, move in zip(moved.images, found, strict=True)]
    again = moved.replace(images=np.stack(images))
    second = run(again, traced(again), shifts=True)
    reference = run(still, traced(still))

    def row(name: str, shifts: np.ndarray, r_factor: float, model: AtomicModel) -> tuple[str, ...]:
        error = f"{shift_error(shifts, true, moved.rotations):.3f}"
        scores = score(model.replace(covariance=None), reference.model, radius=1.0)
        atoms = f"{scores['matched']}/{len(reference.model)}"
        return "fept321", name, "-", "-", error, f"{r_factor:.4f}", atoms, f"{scores['rmsd_pm']:.2f}"

    yield row("as given", np.zeros_like(true), float("nan"), start)
    yield row("centre of mass, traced", -aligned.shifts, plain.r_factor_before, start)
    yield row("shifts held", -aligned.shifts, plain.r_factor_after, plain.model)
    yield row("shifts", found, refined.r_factor_after, refined.model)
    yield row("traced again, shifts", found + second.shifts / PIXEL, second.r_factor_after, second.model)
    yield row("aligned series (reference of the RMSD)", true, reference.r_factor_after, reference.model)


def _whole_shift(moved: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Pixels by which an image was moved, from the peak of the circular correlation."""
    product = np.fft.ifft2(np.fft.fft2(moved) * np.conj(np.fft.fft2(still))).real
    peak = np.array(np.unravel_index(product.argmax(), product.shape), dtype=np.float64)
    size = np.array(product.shape)
    return (peak + size // 2) % size - size // 2


SETS = {"angles": ("fept64_angles", wrong_angles), "shifts": ("fept321", misaligned)}


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    arguments = parser.parse_args()
    print(markdown_table(HEADER, ()))
    for name in arguments.only:
        folder, table = SETS[name]
        for cells in table(arguments.data / folder):
            print(markdown_row(cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
