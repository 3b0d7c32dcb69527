"""Which atoms lie at the surface of a particle."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

SURROUNDINGS = 5.0
"""Radius [Å] of the ball that is counted to tell atoms of the surface from inner ones."""
_CROWDED = 0.7
"""Inner atoms have more neighbours than this share of what the best surrounded twentieth of the atoms has."""


def surface_atoms(positions: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices (k,) of the atoms at the surface, and for every atom a vector (n, 3) away from its surroundings.

    A ball of `SURROUNDINGS` holds many cells of most crystals, so that light and heavy atoms of a compound count alike:
    half of it is empty around an atom in a flat surface. Where no atom stands out, all are at the surface.
    """
    pairs = cKDTree(positions).query_pairs(SURROUNDINGS, output_type="ndarray")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    neighbours = np.bincount(both[:, 0], minlength=len(positions))
    centres = np.zeros_like(positions)
    np.add.at(centres, both[:, 0], positions[both[:, 1]])
    outward = positions - centres / np.maximum(neighbours, 1)[:, None]
    outer = np.flatnonzero(neighbours < _CROWDED * np.quantile(neighbours, 0.95))
    return (outer if len(outer) else np.arange(len(positions))), outward
