"""Nearest-neighbour distances of alloys and compounds from those of the elements."""

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from ase.data import covalent_radii, reference_states
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from pann.simulation.structures.lattices import Lattice

GOLDSCHMIDT = {12: 1.0, 8: 0.97, 6: 0.96, 4: 0.88}
"""Metallic radius by number of neighbours, relative to twelve (Goldschmidt, Z. Phys. Chem. 133, 397 (1928))."""

_SHORTEST = {"fcc": (0.5**0.5, 12), "hcp": (1.0, 12), "bcc": (0.75**0.5, 8), "diamond": (3**0.5 / 4, 4)}
"""Nearest-neighbour distance in units of the lattice constant and number of neighbours of the elements' structures."""

_DIAMOND_EDGES = {50: 6.489}
"""Lattice constants [Å] of elements whose diamond form is not the one ASE lists: grey tin (Wyckoff 1963)."""


@cache
def atomic_radius(number: int, neighbours: int) -> float:
    """Half the distance [Å] between like atoms that have so many nearest neighbours.

    From the measured lattice constants (`ase.data.reference_states`); half of it from covalent radii (Cordero et al.
    2008) where the element has no fcc, bcc, hcp or diamond form, or is a semiconductor in a metal's lattice.
    """
    state = reference_states[number] or {}
    structure, edge = state.get("symmetry"), state.get("a")
    if neighbours == 4 and number in _DIAMOND_EDGES:
        structure, edge = "diamond", _DIAMOND_EDGES[number]
    if structure not in _SHORTEST or (structure == "diamond") != (neighbours == 4):
        return float(covalent_radii[number])
    shortest, own = _SHORTEST[structure]
    return float(edge * shortest / 2 * GOLDSCHMIDT[neighbours] / GOLDSCHMIDT[own])


def alloy_bond(elements: Sequence[int], fractions: ArrayLike, neighbours: int = 12) -> float:
    """Nearest-neighbour distance [Å] of an alloy: Vegard's rule over the diameters of its atoms."""
    radii = [atomic_radius(number, neighbours) for number in elements]
    return float(2 * np.dot(radii, np.asarray(fractions, dtype=np.float64)))


def lattice_bond(lattice: Lattice, elements: Sequence[int], fractions: ArrayLike, by_site: bool) -> float:
    """Nearest-neighbour distance [Å] of a prototype occupied by `elements`.

    Parameters
    ----------
    fractions : composition, where the elements mix.
    by_site : element k sits on sublattice k (the last one also on those beyond). The radii of the touching pair add up
        in a compound (covalent radii); an ordered alloy follows Vegard's rule at its stoichiometry.
    """
    if lattice.pair is not None and by_site:
        radii = [covalent_radii[elements[min(site, len(elements) - 1)]] for site in lattice.pair]
        return float(sum(radii))
    if by_site:
        places = np.minimum(np.arange(lattice.n_sublattices), len(elements) - 1)
        fractions = np.bincount(places, weights=lattice.shares, minlength=len(elements))
    return alloy_bond(elements, fractions, neighbours_of(lattice))


def axis_ratio(elements: Sequence[int], fractions: ArrayLike) -> float:
    """c/a of an hcp alloy relative to that of touching spheres, sqrt(8/3): Vegard's rule over its hcp elements.

    From `ase.data.reference_states`; elements of other structures count as touching spheres.
    """
    ratios = []
    for number in elements:
        state = reference_states[number] or {}
        ratios.append(state["c/a"] / (8 / 3) ** 0.5 if state.get("symmetry") == "hcp" else 1.0)
    return float(np.dot(ratios, np.asarray(fractions, dtype=np.float64)))


@lru_cache(maxsize=64)
def neighbours_of(lattice: Lattice) -> int:
    """Number of nearest neighbours of the first site."""
    positions, _ = lattice.ball(1.01 * lattice.bond, lattice.basis[0])
    return len(positions) - 1


def typical_distance(positions: NDArray[np.float64]) -> float:
    """Median nearest-neighbour distance [Å] of atoms at `positions` (n, 3); 2.5 where there is only one."""
    if len(positions) < 2:
        return 2.5
    return float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))
