"""Departures from the perfect crystal: missing atoms, strain, displaced atoms, and atoms too close to each other."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

MINIMUM_DISTANCE = 1.5
"""Shortest distance [Å] between two atoms that a simulated structure may hold."""


def coordination(positions: NDArray[np.float64], cutoff: float) -> NDArray[np.int64]:
    """Number of neighbours (n,) of each atom within `cutoff` [Å]."""
    if len(positions) == 0:
        return np.zeros(0, dtype=np.int64)
    tree = cKDTree(positions)
    return np.asarray(tree.query_ball_point(positions, cutoff, return_length=True), dtype=np.int64) - 1


def keep_after_roughening(
    positions: NDArray[np.float64], cutoff: float, share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask (n,) of the atoms left when a `share` of the surface atoms is taken away.

    Surface atoms have fewer neighbours within `cutoff` [Å] than three quarters of the best surrounded one; atoms left
    with fewer than three neighbours go too, since they would not stay where they are.
    """
    neighbours = coordination(positions, cutoff)
    if len(neighbours) == 0 or share <= 0:
        return np.ones(len(positions), dtype=bool)
    surface = neighbours < 0.75 * neighbours.max()
    keep = ~(surface & (rng.random(len(positions)) < share))
    kept = np.flatnonzero(keep)
    keep[kept[coordination(positions[kept], cutoff) < min(3, neighbours.min())]] = False
    return keep


def keep_after_vacancies(n_atoms: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask (n_atoms,) that drops a `share` of the atoms at random."""
    return rng.random(n_atoms) >= share


def strained(positions: NDArray[np.float64], amount: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Positions under a random homogeneous strain whose components have standard deviation `amount`."""
    strain = amount * rng.normal(size=(3, 3))
    return positions @ (np.eye(3) + (strain + strain.T) / 2)


def displaced(positions: NDArray[np.float64], sigma: ArrayLike, rng: np.random.Generator) -> NDArray[np.float64]:
    """Positions with independent Gaussian displacements of standard deviation `sigma` [Å] per coordinate.

    `sigma` is a number, or (n, 1) one for each atom.
    """
    return positions + np.asarray(sigma) * rng.normal(size=positions.shape)


def keep_apart(positions: NDArray[np.float64], minimum: float = MINIMUM_DISTANCE) -> NDArray[np.bool_]:
    """Mask (n,) without the second atom of every pair closer than `minimum` [Å]."""
    keep = np.ones(len(positions), dtype=bool)
    if len(positions) > 1:
        for i, j in cKDTree(positions).query_pairs(minimum, output_type="ndarray"):
            if keep[i] and keep[j]:
                keep[j] = False
    return keep
