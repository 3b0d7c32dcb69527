"""Clusters of magic sizes by ASE: octahedra, decahedra, icosahedra and their like."""

from collections.abc import Callable
from functools import cache, lru_cache
from math import sqrt
from typing import Any

import numpy as np
from ase.cluster import BodyCenteredCubic, Decahedron, HexagonalClosedPacked, Icosahedron, Octahedron
from numpy.typing import NDArray

from pann.simulation.structures.bonds import alloy_bond
from pann.simulation.structures.lattices import PROTOTYPES
from pann.simulation.structures.options import Real, Word
from pann.simulation.structures.particle import Particle, Request
from pann.simulation.structures.sites import SITES

_LARGEST = 40
"""Largest number that counts the atoms along an edge or the layers of a cluster."""

Family = tuple[str, Callable[..., Any], Callable[[], dict[int, list[tuple[int, ...]]]]]
"""Lattice, builder of the atoms from whole numbers, and those numbers by the number of atoms that they give."""


def _by_size(pairs: Any) -> dict[int, list[tuple[int, ...]]]:
    sizes: dict[int, list[tuple[int, ...]]] = {}
    for size, numbers in pairs:
        sizes.setdefault(int(size), []).append(numbers)
    return sizes


def octahedron_size(length: int, cutoff: int) -> int:
    """Atoms of an octahedron with `length` atoms along an edge, `cutoff` layers cut off at each corner."""
    pyramid = cutoff * (cutoff + 1) * (2 * cutoff + 1) // 6
    return length * (2 * length**2 + 1) // 3 - 6 * pyramid


def decahedron_size(p: int, q: int, r: int) -> int:
    """Atoms of the decahedron (p, q, r) of ASE: {100} facets of p by q atoms, Marks re-entrances of depth r."""
    height, rings = p + q + 2 * r - 1, p + 2 * r
    in_ring = [sum(n - i < rings - r and i < rings - r for i in range(n)) for n in range(1, min(height, rings))]
    return height + sum(5 * count * (height - n) for n, count in enumerate(in_ring, start=1))


def _octahedra(cutoffs: Callable[[int], list[int]]) -> Callable[[], dict[int, list[tuple[int, ...]]]]:
    return lambda: _by_size((octahedron_size(n, c), (n, c)) for n in range(2, _LARGEST) for c in cutoffs(n))


def _decahedra() -> dict[int, list[tuple[int, ...]]]:
    return _by_size(
        (decahedron_size(p, q, r), (p, q, r))
        for p in range(1, 13)
        for q in range(1, 13)
        for r in range(4)
        if p + q + 2 * r > 2 and max(p, q) <= 4 * min(p, q) + 2 * r
    )


def _icosahedra() -> dict[int, list[tuple[int, ...]]]:
    return _by_size(((10 * k**3 + 15 * k**2 + 11 * k + 3) // 3, (k + 1,)) for k in range(1, 16))


@cache
def _counted(builder: Callable[..., Any], largest: int) -> dict[int, list[tuple[int, ...]]]:
    """Sizes of a family without a formula, found by building it."""
    return _by_size((len(builder(n)), (n,)) for n in range(1, largest))


def _dodecahedron(layers: int) -> Any:
    return BodyCenteredCubic("Fe", [(1, 1, 0)], [layers], latticeconstant=1.0)


def _hexagonal(layers: int) -> Any:
    surfaces = [(0, 0, 0, 1), (1, 0, -1, 0), (1, 0, -1, 1)]
    counts = [layers, layers + 1, layers + 1]
    return HexagonalClosedPacked("Ti", surfaces, counts, latticeconstant=(1.0, sqrt(8 / 3)))


FAMILIES: dict[str, Family] = {
    "octahedron": ("fcc", lambda n, c: Octahedron("Pt", n, c, latticeconstant=1.0), _octahedra(lambda n: [0])),
    "truncated_octahedron": (
        "fcc",
        lambda n, c: Octahedron("Pt", n, c, latticeconstant=1.0),
        _octahedra(lambda n: list(range(1, n // 2))),
    ),
    "cuboctahedron": (
        "fcc",
        lambda n, c: Octahedron("Pt", n, c, latticeconstant=1.0),
        _octahedra(lambda n: [(n - 1) // 2] if n % 2 else []),
    ),
    "decahedron": ("fcc", lambda p, q, r: Decahedron("Pt", p, q, r, latticeconstant=1.0), _decahedra),
    "icosahedron": ("fcc", lambda n: Icosahedron("Pt", n, latticeconstant=1.0), _icosahedra),
    "rhombic_dodecahedron": ("bcc", _dodecahedron, lambda: _counted(_dodecahedron, 9)),
    "hcp_polyhedron": ("hcp", _hexagonal, lambda: _counted(_hexagonal, 12)),
}
"""Families of clusters by name."""


@lru_cache(maxsize=128)
def _built(family: str, numbers: tuple[int, ...]) -> NDArray[np.float64]:
    """Positions (n, 3) with nearest neighbours one unit apart, centred at zero."""
    positions = np.asarray(FAMILIES[family][1](*numbers).positions)
    positions = positions - positions.mean(axis=0)
    shortest = np.linalg.norm(positions[1:] - positions[0], axis=1).min()
    return positions / shortest


@lru_cache(maxsize=256)
def choices(family: str, n_atoms: int) -> tuple[tuple[int, ...], ...]:
    """Members of a family within 5 % of `n_atoms`, else those of the nearest size."""
    sizes = FAMILIES[family][2]()
    near = [size for size in sizes if abs(size - n_atoms) <= 0.05 * n_atoms]
    near = near or [min(sizes, key=lambda size: abs(size - n_atoms))]
    return tuple(numbers for size in sorted(near) for numbers in sizes[size])


@SITES.add("cluster", family=Word(FAMILIES), scale=Real(0.8, 1.3, 1.0))
def cluster(request: Request, rng: np.random.Generator, family: str, scale: float) -> Particle:
    """A cluster of the magic size nearest to the number of atoms asked for.

    Icosahedra and decahedra are strained in nature and here: neighbours in shells are 5 % farther apart than radially.
    """
    members = choices(family, request.n_atoms)
    numbers = members[int(rng.integers(len(members)))]
    structure = FAMILIES[family][0]
    composition = request.composition
    bond = alloy_bond(composition.elements, composition.fractions, 8 if structure == "bcc" else 12) * scale
    positions = _built(family, numbers) * bond
    prototype = PROTOTYPES[structure]
    lattice = None if family in ("decahedron", "icosahedron") else prototype.stretched(bond / prototype.bond)
    return Particle(positions, np.zeros(len(positions), np.int64), bond, lattice=lattice, drawn={"size": list(numbers)})
