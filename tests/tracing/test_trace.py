"""Tracing finds atoms where they are, keeps light ones, and leaves noise alone."""

import time

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from pann.core import ConfigError, Volume
from pann.core.random import generator
from pann.tracing import find_support, trace

VOXEL = 0.4
SIGMA = 0.55


def atoms(n: int, shape: tuple[int, int, int], spacing: float, seed: int = 1) -> np.ndarray:
    """`n` points [Å] about the centre, at least `spacing` apart."""
    half = np.array(shape) // 2 * VOXEL - 3.5
    points: list[np.ndarray] = []
    for point in generator(seed, "atoms").uniform(-half, half, size=(200 * n, 3)):
        if all(np.linalg.norm(point - other) >= spacing for other in points):
            points.append(point)
        if len(points) == n:
            break
    assert len(points) == n
    return np.array(points)


def gaussians(positions: np.ndarray, heights: np.ndarray, shape: tuple[int, int, int], voxel: float = VOXEL) -> Volume:
    axes = [(np.arange(n) - n // 2) * voxel for n in shape]
    x, y, z = (np.exp(-((a[None] - positions[:, k, None]) ** 2) / (2 * SIGMA**2)) for k, a in enumerate(axes))
    return Volume(np.einsum("n,nx,ny,nz->xyz", heights, x, y, z, optimize=True), voxel)


def coloured_noise(shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Noise of unit variance with the resolution of the atoms."""
    noise = ndimage.gaussian_filter(generator(seed, "noise").normal(size=shape), SIGMA / VOXEL, mode="wrap")
    return noise / noise.std()


SHAPE = (56, 52, 48)
POSITIONS = atoms(40, SHAPE, 3.2)


@pytest.mark.parametrize("refine", ["gaussian", "quadratic", "polynomial"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_positions_are_finer_than_the_voxel(refine: str, smoothing: float) -> None:
    volume = gaussians(POSITIONS, np.ones(len(POSITIONS)), SHAPE)
    model = trace(volume, min_distance=2.0, refine=refine, smoothing=smoothing)
    distance, index = cKDTree(model.positions).query(POSITIONS)
    assert len(model) == len(POSITIONS)
    assert sorted(index) == list(range(len(POSITIONS)))
    limit = {"gaussian": 0.02, "quadratic": 0.12, "polynomial": 0.05}[refine]
    assert distance.max() < limit * VOXEL


def test_an_isolated_gaussian_is_found_exactly() -> None:
    position = np.array([[0.13, -0.19, 0.07]])
    model = trace(gaussians(position, np.ones(1), (21, 21, 21)), min_distance=2.0, smoothing=0)
    np.testing.assert_allclose(model.positions, position, atol=1e-4)


@pytest.mark.parametrize("snr", [25.0, 40.0, 80.0])
def test_light_atoms_stay_and_noise_goes(snr: float) -> None:
    heights = np.where(np.arange(len(POSITIONS)) % 2, 1.0, 0.25)
    noise = coloured_noise(SHAPE, seed=3) / snr
    clean = gaussians(POSITIONS, heights, SHAPE)
    model = trace(clean.replace(values=clean.values + noise), min_distance=2.0)
    distance = cKDTree(model.positions).query(POSITIONS)[0]
    assert (distance < 0.6).mean() >= 0.95
    false = cKDTree(POSITIONS).query(model.positions)[0] > 0.6
    assert false.mean() <= (0.25 if snr == 25 else 0.05)


def test_intensities_tell_species_apart() -> None:
    heights = np.where(np.arange(len(POSITIONS)) % 2, 1.0, 0.25)
    model = trace(gaussians(POSITIONS, heights, SHAPE), min_distance=2.0, smoothing=0)
    index = cKDTree(model.positions).query(POSITIONS)[1]
    found = model.intensities[index]
    np.testing.assert_allclose(found / found[heights == 1].mean(), heights, rtol=0.1)


def test_no_two_atoms_are_too_close() -> None:
    volume = Volume(np.abs(coloured_noise((40, 40, 40), seed=5)), VOXEL)
    model = trace(volume, min_distance=2.5, threshold=0.0, border=0)
    assert len(model) > 50
    assert cKDTree(model.positions).query(model.positions, k=2)[0][:, 1].min() >= 2.5


@pytest.mark.parametrize("values", [np.zeros((20, 20, 20)), np.ones((20, 20, 20)), np.ones((2, 5, 5))])
def test_an_empty_volume_has_no_atoms(values: np.ndarray) -> None:
    model = trace(Volume(values, 0.4), min_distance=2.0)
    assert len(model) == 0
    assert model.intensities is not None


def test_the_same_volume_gives_the_same_atoms() -> None:
    volume = Volume(np.abs(coloured_noise((32, 32, 32), seed=7)), VOXEL)
    first, second = (trace(volume, min_distance=2.0) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)
    np.testing.assert_array_equal(first.intensities, second.intensities)


def test_atoms_move_with_the_volume() -> None:
    volume = gaussians(POSITIONS, np.linspace(0.5, 1, len(POSITIONS)), SHAPE)
    values = volume.values + 0.01 * coloured_noise(SHAPE, seed=9)
    here = trace(Volume(values, VOXEL), min_distance=2.0, threshold=0.2, border=4)
    there = trace(Volume(np.roll(values, (2, -3, 1), axis=(0, 1, 2)), VOXEL), min_distance=2.0, threshold=0.2, border=4)
    assert len(here) == len(there) == len(POSITIONS)
    shift = np.array([2, -3, 1]) * VOXEL
    assert cKDTree(there.positions).query(here.positions + shift)[0].max() < 1e-5


def test_a_film_without_an_outside_is_traced() -> None:
    shape = (36, 36, 36)
    grid = np.stack(np.meshgrid(*[np.arange(-9, 10) * 2.9] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    film = grid + generator(2, "film").normal(scale=0.1, size=grid.shape)
    clean = gaussians(film, np.ones(len(film)), shape)
    model = trace(clean.replace(values=clean.values + 0.05 * coloured_noise(shape, seed=4)), min_distance=2.0)
    inside = np.abs(film).max(axis=1) < 15 * VOXEL
    assert cKDTree(model.positions).query(film[inside])[0].max() < 0.2
    assert cKDTree(film).query(model.positions)[0].max() < 0.3


def test_the_support_holds_the_atoms_and_limits_the_search() -> None:
    shape = (64, 64, 64)
    positions = atoms(30, (40, 40, 40), 2.6)
    volume = gaussians(positions, np.ones(30), shape)
    support = find_support(volume)
    assert support is not None
    assert support.mean() < 0.4
    assert support[tuple(np.rint(volume.indices(positions)).astype(int).T)].all()
    half = support & (np.arange(64)[:, None, None] >= 32)
    model = trace(volume, min_distance=2.0, support=half)
    assert 0 < len(model) < 30
    assert model.positions[:, 0].min() >= -VOXEL / 2


def test_max_atoms_keeps_the_strongest() -> None:
    heights = np.linspace(1, 2, len(POSITIONS))
    model = trace(gaussians(POSITIONS, heights, SHAPE), min_distance=2.0, max_atoms=5, smoothing=0)
    assert cKDTree(POSITIONS[-5:]).query(model.positions)[0].max() < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"min_distance": 0.0},
        {"threshold": "otsu"},
        {"refine": "cubic"},
        {"smoothing": -1.0},
        {"border": -1},
        {"max_atoms": -1},
        {"support": np.ones((3, 3, 3), bool)},
    ],
)
def test_impossible_options_are_refused(options: dict) -> None:
    volume = gaussians(np.zeros((1, 3)), np.ones(1), (16, 16, 16))
    with pytest.raises(ConfigError, match="tracing"):
        trace(volume, **{"min_distance": 2.0, **options})


def test_speed() -> None:
    values = np.abs(coloured_noise((128, 128, 128), seed=11))
    start = time.perf_counter()
    trace(Volume(values, 0.4), min_distance=2.0)
    assert time.perf_counter() - start < 15
