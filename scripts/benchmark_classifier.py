"""Speed of the classifier: Zernike moments beside ZMPY3D in one run, and a large particle from volumes to elements.

python scripts/benchmark_classifier.py [--atoms 20000] [--weights data/checkpoints/classifier.safetensors]

ZMPY3D (Lai et al. 2024) is a development tool: without it (`pip install ZMPY3D`) that part is left out. Both compute
rotation invariants of a ball of 1.7 Å at voxels of 0.4 Å, ZMPY3D from the 9³ voxels around the atom. It ships the
coefficients of orders 6 and 20, so that invariants beyond the sixth order take those of order 20. Coefficients, made or
read once, do not count.
"""

import argparse
import importlib
import pickle
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pann.classifier import Classifier, Evidence
from pann.classifier.zernike import zernike_basis, zernike_moments
from pann.core import AtomicModel, TiltSeries, Volume
from pann.core.geometry import as_euler_angles
from pann.core.random import generator
from pann.fitting.prediction import expand
from pann.simulation import Microscope, atom_kernels, series_psf
from pann.simulation.tilts import evenly_spaced
from pann.training.words import exit_status

ROOT = Path(__file__).resolve().parents[1]
VOXEL, RADIUS = 0.4, 1.7
REPEATS = 3


def zmpy3d_invariants(cube: NDArray[np.float64], radius: float, order: int) -> NDArray[np.float64]:
    """Invariants (order + 1, order + 1), by n and l, of a `cube` (n, n, n) in the ball of `radius` [voxels] about its
    centre, by ZMPY3D. Its functions have mean square 1 over the ball, ours the integral 1: F = √(3 / 4π) of ours. It
    integrates over the whole cube, which must therefore hold nothing outside the ball.

    Raises ImportError without ZMPY3D.
    """
    tool = importlib.import_module("ZMPY3D")
    known = _zmpy3d_coefficients(order)
    where = tool.get_bbox_moment_xyz_sample([edge / 2 for edge in cube.shape], radius, cube.shape)
    moments = tool.calculate_bbox_moment(cube, order, where)[2]
    names = ("GCache_complex", "GCache_pqr_linear", "GCache_complex_index", "CLMCache3D")
    scaled = tool.calculate_bbox_moment_2_zm(order, *(known[name] for name in names), moments)[0]
    found: NDArray[np.float64] = tool.get_3dzd_121_descriptor(scaled)
    return found


@lru_cache
def _zmpy3d_coefficients(order: int) -> dict[str, Any]:
    folder = Path(str(importlib.import_module("ZMPY3D").__file__)).parent / "cache_data"
    with (folder / f"LogG_CLMCache_MaxOrder{order:02d}.pkl").open("rb") as file:
        known: dict[str, Any] = pickle.load(file)
    return known


def zernike_speed(order: int, reference_order: int, n_atoms: int, n_reference: int) -> str:
    """Microseconds per atom of both, as a row of the table."""
    rng = generator(1, "benchmark")
    density = torch.from_numpy(rng.random((120, 120, 120)).astype(np.float32))
    centres = torch.from_numpy(rng.uniform(8, 112, (n_atoms, 3)).astype(np.float32))
    basis = zernike_basis(order)
    edge = 2 * int(RADIUS / VOXEL) + 1
    cubes = rng.random((n_reference, edge, edge, edge))

    def ours() -> None:
        basis.invariants(zernike_moments(density, centres, RADIUS / VOXEL, basis))

    def theirs() -> None:
        for cube in cubes:
            zmpy3d_invariants(cube, RADIUS / VOXEL, reference_order)

    mine = 1e6 * min(_seconds(ours) for _ in range(REPEATS)) / n_atoms
    try:
        zmpy3d_invariants(cubes[0], RADIUS / VOXEL, reference_order)
    except ImportError:
        return f"| {order} | {mine:.1f} | - | not installed | - |"
    other = 1e6 * min(_seconds(theirs) for _ in range(REPEATS)) / n_reference
    return f"| {order} | {mine:.1f} | {reference_order} | {other:.0f} | {other / mine:.1f} |"


def large_particle(n_atoms: int, weights: Path) -> str:
    """Wall time of classifying a ball of `n_atoms` atoms of a two-metal crystal, moments and intensities included."""
    model, elements = _ball(n_atoms), (28, 78)
    volume = _volume(model)
    series = _series(model, volume)
    classifier = Classifier.load(weights)
    evidence = Evidence(volume, volume, series=series, background=np.full(series.n_tilts, 0.1))
    seconds = _seconds(lambda: classifier(evidence, model, elements))
    return f"{len(model)} atoms, {series.n_tilts} images of {series.image_shape}: {seconds:.1f} s"


def _seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _ball(n_atoms: int) -> AtomicModel:
    rng = generator(2, "ball")
    edge = 3.8
    reach = edge * (3 * n_atoms / (16 * np.pi)) ** (1 / 3)
    axis = edge * np.arange(-int(reach / edge) - 2, int(reach / edge) + 3)
    corners = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))
    sites = np.concatenate([corners + edge * np.array(centre) for centre in centres])
    sites = sites[np.argsort(np.linalg.norm(sites, axis=1))[:n_atoms]]
    sites = sites + rng.normal(scale=0.05, size=sites.shape)
    return AtomicModel(sites, np.where(rng.random(n_atoms) < 0.5, 28, 78), name="ball")


def _volume(model: AtomicModel) -> Volume:
    edge = 2 * int(np.ceil((np.abs(model.positions).max() + 4) / VOXEL))
    values = np.zeros((edge,) * 3, dtype=np.float32)
    index = np.rint(model.positions / VOXEL).astype(int) + edge // 2
    np.add.at(values, tuple(index.T), np.where(model.numbers == 78, 4.5, 1.0))
    return Volume(gaussian_filter(values, 0.5 / VOXEL), VOXEL)


def _series(model: AtomicModel, volume: Volume) -> TiltSeries:
    microscope = Microscope()
    psf = series_psf(model, VOXEL, microscope, 0.08)
    kernels = atom_kernels(microscope, [28, 78])
    bright = model.replace(intensities=[1000 * kernels[int(z)].cross_section for z in model.numbers])
    angles = evenly_spaced(65, 27)
    images = expand(bright, psf, as_euler_angles(angles), volume.shape[:2], VOXEL).images
    counts = generator(3, "counts").poisson(images.numpy() + 0.1)
    return TiltSeries(counts, angles, VOXEL, dose=1000.0)


def main() -> int:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, default=20_000)
    parser.add_argument("--weights", type=Path, default=ROOT / "data" / "checkpoints" / "classifier.safetensors")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    def measured() -> None:
        print("| order | PANN [µs per atom] | order of ZMPY3D | ZMPY3D [µs per atom] | ratio |\n|" + " --- |" * 5)
        for order, reference_order, n_reference in ((6, 6, 200), (8, 20, 5), (12, 20, 5)):
            print(zernike_speed(order, reference_order, 5000, n_reference))
        print(large_particle(arguments.atoms, arguments.weights))

    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
