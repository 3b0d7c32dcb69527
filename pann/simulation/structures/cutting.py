"""Cutting particles out of a crystal."""

from collections.abc import Callable
from math import pi

import numpy as np

from pann.core.errors import InputError
from pann.simulation.structures.lattices import Sites
from pann.simulation.structures.shapes import Level

Block = Callable[[float], Sites]
"""radius [Å] -> all sites within that distance of zero, of one and the same crystal."""


def sphere_radius(n_sites: int, density: float) -> float:
    """Radius [Å] of the ball that holds `n_sites` at `density` [1/Å³]."""
    return float((3 * n_sites / (4 * pi * density)) ** (1 / 3))


def cut(sites: Sites, level: Level, n_atoms: int) -> Sites:
    """The `n_atoms` sites of lowest level: the particle of that shape with exactly so many atoms."""
    positions, kinds = sites
    levels = level(positions)
    if np.isfinite(levels).sum() < n_atoms:
        raise InputError(f"structure: {len(positions)} sites for {n_atoms} atoms: the crystal block is too small")
    # Whole facets have one level: rounded, so that which of their atoms are in does not hang on the last digit.
    inner = np.argsort(np.round(levels, 6), kind="stable")[:n_atoms]
    return positions[inner], kinds[inner]


def cut_block(block: Block, level: Level, n_atoms: int, density: float, bond: float) -> Sites:
    """The `n_atoms` sites of lowest level, from a block made as large as that shape needs."""
    radius = 1.6 * sphere_radius(n_atoms, density) + bond
    for _ in range(8):
        sites = block(radius)
        if np.isfinite(level(sites[0])).sum() > n_atoms:
            particle = cut(sites, level, n_atoms)
            if np.linalg.norm(particle[0], axis=1).max() < radius - 0.5 * bond:
                return particle
        radius *= 1.4
    raise InputError(f"structure: no block of the crystal holds {n_atoms} atoms of this shape: choose another shape")
