"""Sites of random particles: cut from crystals, magic clusters, two grains, glasses and networks."""

from collections.abc import Callable
from math import ceil, pi

import numpy as np
from ase.cluster import Decahedron, Icosahedron, Octahedron
from ase.data import covalent_radii
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.simulation.structures.crystals import crystal_sites, prototype
from pann.simulation.structures.disorder import keep_apart
from pann.simulation.structures.network import tetrahedral_network
from pann.simulation.structures.packing import dense_packing
from pann.simulation.structures.shapes import Level, random_rotation, random_shape

Sites = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Positions (n, 3) [Å] and sublattice numbers (n,)."""


def cut(sites: Sites, level: Level, n_atoms: int) -> Sites:
    """The `n_atoms` sites of lowest level: the particle of that shape with exactly so many atoms."""
    positions, kinds = sites
    if len(positions) < n_atoms:
        raise InputError(f"structure: {len(positions)} sites for {n_atoms} atoms: the crystal block is too small")
    inner = np.argsort(level(positions), kind="stable")[:n_atoms]
    return positions[inner], kinds[inner]


def crystal_particle(name: str, bond: float, n_atoms: int, shape: str, rng: np.random.Generator) -> Sites:
    """A particle of `n_atoms` cut out of a crystal, in random orientation and at a random origin of the cell.

    Parameters
    ----------
    name : key of `pann.simulation.structures.crystals.PROTOTYPES`.
    bond : nearest-neighbour distance [Å].
    shape : one of `pann.simulation.structures.shapes.SHAPES`.
    """
    kind = prototype(name)
    volume = n_atoms / kind.density * (bond / kind.neighbour) ** 3
    # Shapes reach at most 1.7 times the radius of the sphere of the same volume.
    radius = 1.7 * (3 * volume / (4 * pi)) ** (1 / 3) + bond
    block = crystal_sites(name, bond, radius, origin=rng.random(3))
    positions, sites = cut(block, random_shape(shape, rng), n_atoms)
    return positions @ random_rotation(rng).T, sites


def bicrystal_particle(name: str, bond: float, n_atoms: int, rng: np.random.Generator) -> Sites:
    """Two grains of the same crystal in unrelated orientations, met at a random plane near the centre."""
    grains = [crystal_particle(name, bond, n_atoms, "sphere", rng) for _ in range(2)]
    height = rng.uniform(-0.3, 0.3) * np.abs(grains[0][0]).max()
    halves = [grains[0][0][:, 2] < height, grains[1][0][:, 2] >= height]
    positions = np.concatenate([grain[0][half] for grain, half in zip(grains, halves, strict=True)])
    sites = np.concatenate([grain[1][half] for grain, half in zip(grains, halves, strict=True)])
    apart = keep_apart(positions, 0.8 * bond)
    return positions[apart] @ random_rotation(rng).T, sites[apart]


def cluster_particle(bond: float, n_atoms: int, rng: np.random.Generator) -> Sites:
    """An icosahedron, decahedron or octahedron of the magic size nearest to `n_atoms`, in random orientation."""
    makers: list[Callable[[int], NDArray[np.float64]]] = [
        lambda n: Icosahedron("Pt", n + 1, latticeconstant=1.0).positions,
        lambda n: Decahedron("Pt", max(2, n - 1), max(1, n // 2), n // 4, latticeconstant=1.0).positions,
        lambda n: Octahedron("Pt", n + 2, n // 2, latticeconstant=1.0).positions,
    ]
    maker = makers[rng.integers(len(makers))]
    smaller = larger = maker(1)
    for n in range(2, 3 + ceil(2 * n_atoms ** (1 / 3))):
        smaller, larger = larger, maker(n)
        if len(larger) >= n_atoms:
            break
    best = min(smaller, larger, key=lambda points: abs(len(points) - n_atoms))
    spacing = np.linalg.norm(best[1:] - best[0], axis=1).min() if len(best) > 1 else 1.0
    return best / spacing * bond @ random_rotation(rng).T, np.zeros(len(best), dtype=np.int64)


def glass_particle(numbers: NDArray[np.int64], shape: str, rng: np.random.Generator) -> Sites:
    """A metallic glass of `len(numbers)` atoms of that composition; in place of sites it returns atomic numbers."""
    pool = np.concatenate([numbers, rng.choice(numbers, size=len(numbers) // 2)])
    positions, _ = dense_packing(covalent_radii[pool], 0.64, rng)
    return cut((positions, pool), random_shape(shape, rng), len(numbers))


def network_particle(bond: float, n_atoms: int, shape: str, rng: np.random.Generator) -> Sites:
    """An amorphous tetrahedral network (silicon-like), cut out of a larger ball."""
    positions, _, _ = tetrahedral_network(ceil(1.3 * n_atoms), bond, rng)
    return cut((positions, np.zeros(len(positions), dtype=np.int64)), random_shape(shape, rng), n_atoms)
