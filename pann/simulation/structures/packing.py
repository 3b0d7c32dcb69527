"""Random packings: points moved by simple pair potentials."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

_STEPS = 60


def random_ball(n_atoms: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n_atoms, 3) uniform in a ball of `radius`."""
    directions = rng.normal(size=(n_atoms, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * radius * rng.random((n_atoms, 1)) ** (1 / 3)


def into_ball(positions: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Positions with those outside the ball of `radius` [Å] moved onto its surface."""
    distance = np.linalg.norm(positions, axis=1, keepdims=True)
    return positions * np.minimum(1, radius / np.maximum(distance, 1e-9))


def dense_packing(
    radii: NDArray[np.float64], packing_fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Random dense packing of spheres in a ball: a metallic glass.

    Overlapping pairs push each other apart (soft spheres, damped steps) from random starting points.

    Parameters
    ----------
    radii : (n,) of the atoms [Å].
    packing_fraction : share of the ball filled by spheres; 0.64 is random close packing.

    Returns
    -------
    (n, 3) positions [Å] and the radius of the ball [Å].
    """
    ball = float(((radii**3).sum() / packing_fraction) ** (1 / 3))
    positions = random_ball(len(radii), ball, rng)
    for _ in range(_STEPS):
        pairs = cKDTree(positions).query_pairs(2 * radii.max(), output_type="ndarray")
        step = push_apart(positions, pairs, radii[pairs].sum(axis=1), 0.45)
        positions = into_ball(positions + step, ball)
    return positions, ball


def push_apart(
    positions: NDArray[np.float64], pairs: NDArray[np.int64], lengths: NDArray[np.float64], rate: ArrayLike
) -> NDArray[np.float64]:
    """Steps (n, 3) [Å] that move the `pairs` (m, 2) closer than `lengths` (m,) [Å] apart by `rate` of the overlap."""
    return _steps(positions, pairs, lengths, rate, closer=False)


def pull(
    positions: NDArray[np.float64], pairs: NDArray[np.int64], lengths: NDArray[np.float64], rate: ArrayLike
) -> NDArray[np.float64]:
    """Steps (n, 3) [Å] that move the `pairs` (m, 2) towards `lengths` (m,) [Å] apart by `rate` of the misfit."""
    return _steps(positions, pairs, lengths, rate, closer=True)


def _steps(
    positions: NDArray[np.float64],
    pairs: NDArray[np.int64],
    lengths: NDArray[np.float64],
    rate: ArrayLike,
    closer: bool,
) -> NDArray[np.float64]:
    offsets = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    distances = np.maximum(np.linalg.norm(offsets, axis=1), 1e-3)
    misfit = lengths / distances - 1
    push = offsets * (0.5 * np.asarray(rate) * (misfit if closer else np.maximum(misfit, 0)))[:, None]
    push = np.clip(push, -0.5, 0.5)
    step = np.empty_like(positions)
    for axis in range(3):
        moved = np.bincount(pairs[:, 1], push[:, axis], len(positions))
        step[:, axis] = moved - np.bincount(pairs[:, 0], push[:, axis], len(positions))
    return step
