"""What keeps the fit of the bright amorphous silicon series from its bound; prints Markdown tables.

python scripts/limits_silicon.py DATA

DATA is the folder that holds asi208/. First the options of the fit are varied: a cause in the PSF, the scales, the
shifts or the angles of the images would show there. Then the images are asked how far each atom, at its true position,
is displaced on the detector: by an amount u that is the same in every image, whatever the tilt. Noise cannot make the
estimates of u from two halves of the series agree, nor those of two doses; an error of position could not look alike at
all tilts in the direction across the tilt axis. A set of thermal displacements that the simulation used for every image
does all of this. A displacement u across the axis is, to the fit, an error along z of 4/π u (over 180° the mean of
sin is 2/π, that of sin² one half) and none along x; one along the axis is an error of y and cannot be told from it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pann.core import AtomicModel, TiltSeries
from pann.core.random import generator
from pann.core.units import PICOMETRES_PER_ANGSTROM as PM
from pann.fitting import FitResult, fit
from pann.fitting.prediction import expand
from pann.io import read_angles, read_atoms, read_tilt_series
from pann.report.markdown import markdown_row

DOSES = ("1p6e4", "1p6e5")
PIXEL, START_ERROR = 0.195, 0.5
"""[Å]"""
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one Gaussian": {"halo": "fixed"},
    "shifts and scales free": {"shifts": True, "scales": True},
    "angles and shifts free": {"angles": True, "shifts": True},
    "an intensity for each atom": {"intensities": "atom"},
}


def row(*cells: str) -> None:
    """One line of a Markdown table."""
    print(markdown_row(cells), flush=True)


def rms(values: np.ndarray) -> np.ndarray:
    """Root mean square over atoms [pm] of values in Å."""
    return PM * np.sqrt((values**2).mean(0))


def joined(values: np.ndarray) -> str:
    """Numbers in one cell."""
    return ", ".join(f"{value:.2f}" for value in values)


def compare(name: str, result: FitResult, truth: np.ndarray) -> None:
    """RMSD after the best translation and, where the angles were free, rotation."""
    error = result.model.positions - truth
    error -= error.mean(0)
    if name.startswith("angles"):
        centred = truth - truth.mean(0)
        spin = np.cross(np.eye(3)[:, None], centred[None]).reshape(3, -1).T
        error -= (spin @ np.linalg.lstsq(spin, error.ravel(), rcond=None)[0]).reshape(error.shape)
    bound = np.sqrt(np.einsum("nii->ni", result.model.covariance).mean(0) / result.inflation) * PM
    axes = rms(error)
    excess = np.sqrt(np.clip(axes**2 - bound**2, 0, None))
    total = float(np.linalg.norm(axes))
    ratio = f"{total / result.bound_pm:.3f}"
    row(name, f"{total:.2f}", f"{result.bound_pm:.2f}", ratio, joined(axes), joined(excess), f"{result.deviance:.0f}")


def displacements(series: TiltSeries, truth: np.ndarray, result: FitResult) -> tuple[np.ndarray, np.ndarray]:
    """How far each image sees each atom from its true position, and the variance of that.

    One Newton step for each atom in each image, the others held: (n_tilts, n_atoms, 2) [Å] and [Å²].
    """
    offset = (result.model.positions - truth).mean(0)
    model = result.model.replace(positions=truth + offset)
    expansion = expand(
        model, result.psf, series.angles, series.image_shape, series.pixel_size, background=result.background
    )
    weights = 1 / expansion.images
    pulled, _, _ = expansion.pull((torch.tensor(series.images) - expansion.images) * weights)
    blurs = tuple(expansion.sigma * np.sqrt(ratio**2 - 1) for ratio in expansion.state.ratios)
    seen = expansion.renderer.information(expansion.embed(weights), blurs, expansion.state.weights)[..., :2, :2]
    information = seen * (expansion.amplitude[..., None, None] / series.pixel_size) ** 2
    moved = torch.linalg.solve(information, pulled[..., None])[..., 0]
    return moved.numpy(), torch.linalg.inv(information).diagonal(dim1=-2, dim2=-1).numpy()


def constant_part(moved: np.ndarray, variance: np.ndarray, images: slice) -> np.ndarray:
    """Displacement (n_atoms, 2) [Å] that the chosen images agree on, the mean over the atoms taken off."""
    weight = 1 / variance[images]
    mean = (weight * moved[images]).sum(0) / weight.sum(0)
    return mean - mean.mean(0)


def agreement(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Print the covariance over the atoms of two independent estimates, and return it, (2,) [pm²]."""
    common = PM**2 * (first * second).mean(0)
    error = PM**2 * (first * second).std(0) / np.sqrt(len(first))
    sigma = np.sign(common) * np.sqrt(np.abs(common))
    correlation = [np.corrcoef(first[:, axis], second[:, axis])[0, 1] for axis in range(2)]
    row(name, joined(sigma), joined(common), joined(error), joined(np.array(correlation)))
    return common


def main() -> int:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data / "asi208"
    listed = read_atoms(folder / "ground_truth.txt").positions
    truth = np.stack([listed[:, 1], listed[:, 0], -listed[:, 2]], 1)
    start = truth + generator(0, "start").normal(scale=START_ERROR / np.sqrt(3), size=truth.shape)
    angles = -read_angles(folder / "angles.mat").astype(np.float64)
    constant, halves, results = {}, {}, {}
    for dose in DOSES:
        counts = folder / f"counts_dose{dose}.mat"
        series = read_tilt_series(counts, angles=angles, pixel_size=PIXEL, kind="counts")
        print(f"\n{float(dose.replace('p', '.')):.2g} e/Å² per projection\n")
        row("fit", "RMSD [pm]", "bound", "ratio", "error x, y, z [pm]", "excess over the bound x, y, z", "deviance")
        row(*("---",) * 7)
        for name, options in VARIANTS.items():
            result = fit(series, AtomicModel(start), progress=False, **options)
            results.setdefault(dose, result)
            compare(name, result, truth)
        compare("defaults, started at the truth", fit(series, AtomicModel(truth), progress=False), truth)
        moved, variance = displacements(series, truth, results[dose])
        constant[dose] = constant_part(moved, variance, slice(None))
        halves[dose] = [constant_part(moved, variance, slice(k, None, 2)) for k in range(2)]
    print("\nDisplacement on the detector that is the same at every tilt (across, along the tilt axis)\n")
    row("two independent estimates", "rms they share [pm]", "covariance [pm²]", "its standard error", "correlation")
    row(*("---",) * 5)
    bright = DOSES[-1]
    shared = agreement("bright series, odd and even images", *halves[bright])
    agreement("dim series, odd and even images", *halves[DOSES[0]])
    agreement("all images, bright and dim series", constant[bright], constant[DOSES[0]])
    bound = results[bright].bound_pm
    across, along = np.sqrt(np.clip(shared, 0, None))
    expected = np.sqrt(bound**2 + along**2 + (4 / np.pi * across) ** 2)
    floor = np.sqrt(bound**2 + along**2)
    excess = f"x 0, y {along:.2f}, z {4 / np.pi * across:.2f} pm; RMSD {expected:.2f}"
    print(f"\nExcess expected from the bright series: {excess}.")
    held = f"{floor:.2f} pm = {floor / bound:.3f} times the bound"
    print(f"Were u across the axis known exactly, y would keep its part: {held}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
