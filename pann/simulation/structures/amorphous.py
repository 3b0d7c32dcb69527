"""Amorphous sites: metallic glass, amorphous silicon, silica, and crystals in an amorphous shell."""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.simulation.structures.alloys import random_alloy
from pann.simulation.structures.bonds import alloy_bond, atomic_radius
from pann.simulation.structures.crystal import sized_lattice
from pann.simulation.structures.cutting import cut, cut_block, sphere_radius
from pann.simulation.structures.lattices import PROTOTYPES
from pann.simulation.structures.network import silica_network, tetrahedral_network
from pann.simulation.structures.options import Real, Word
from pann.simulation.structures.packing import dense_packing, push_apart
from pann.simulation.structures.particle import Particle, Request
from pann.simulation.structures.sites import SITES

PACKING = 0.70
"""Share of space that the metallic spheres of a glass fill: some per cent less than in a crystal (0.74), whose atoms
are as far apart (Cheng and Ma, Prog. Mater. Sci. 56, 379 (2011)). Hard spheres jam at 0.64; these are soft.
"""

_SILICON, _OXYGEN = 14, 8


@SITES.add("glass", "shape", "amorphous", "mixed", packing=Real(0.5, 0.76, PACKING))
def glass(request: Request, rng: np.random.Generator, packing: float) -> Particle:
    """A metallic glass: a dense random packing of spheres with the metallic radii of its elements.

    `packing` is the share of space that they fill. Elements come with the sites, since their sizes differ.
    """
    composition = request.composition
    pool = random_alloy(ceil(1.5 * request.n_atoms), composition.elements, composition.fractions, rng)
    radii = _metallic_radii(pool)
    positions, _ = dense_packing(radii, packing, rng)
    positions, numbers = cut((positions, pool), request.shape(PROTOTYPES["fcc"]), request.n_atoms)
    return Particle(positions, np.zeros(len(numbers), np.int64), float(2 * radii.mean()), numbers)


def _metallic_radii(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    elements, places = np.unique(numbers, return_inverse=True)
    return np.array([atomic_radius(int(number), 12) for number in elements])[places]


@SITES.add("network", "shape", "amorphous", scale=Real(0.8, 1.3, 1.0))
def network(request: Request, rng: np.random.Generator, scale: float) -> Particle:
    """An amorphous tetrahedral network, as in silicon and germanium."""
    bond = scale * alloy_bond(request.composition.elements, request.composition.fractions, 4)
    positions, _, _ = tetrahedral_network(ceil(1.3 * request.n_atoms), bond, rng)
    kinds = np.zeros(len(positions), np.int64)
    positions, kinds = cut((positions, kinds), request.shape(PROTOTYPES["fcc"]), request.n_atoms)
    return Particle(positions, kinds, bond)


@SITES.add("silica", "shape", "own", "amorphous")
def silica(request: Request, rng: np.random.Generator) -> Particle:
    """Amorphous SiO2, of exactly two oxygen atoms for each silicon: of those at the surface the inner ones stay."""
    n_silicon = max(1, request.n_atoms // 3)
    silicon, oxygen, bonds = silica_network(ceil(1.6 * n_silicon) + 8, rng)
    level = request.shape(PROTOTYPES["fcc"])
    inner = np.argsort(level(silicon), kind="stable")[:n_silicon]
    ends = np.isin(bonds, inner).sum(axis=1)
    # Bridges between two silicon atoms that stay come first, then dangling oxygen from the centre outwards.
    order = np.lexsort([level(oxygen), -ends])
    kept = order[ends[order] > 0][: 2 * n_silicon]
    positions = np.concatenate([silicon[inner], oxygen[kept]])
    sublattices = np.repeat([0, 1], [len(inner), len(kept)])
    return Particle(positions, sublattices, 1.61, np.array([_SILICON, _OXYGEN])[sublattices])


@SITES.add(
    "partly_crystalline",
    "shape",
    lattice=Word(("fcc", "bcc", "hcp"), "fcc"),
    crystalline=Real(0.05, 0.95, [0.3, 0.7]),
    packing=Real(0.5, 0.76, PACKING),
)
def partly_crystalline(
    request: Request, rng: np.random.Generator, lattice: str, crystalline: float, packing: float
) -> Particle:
    """A crystal core within an amorphous shell of the same alloy.

    Parameters
    ----------
    crystalline : share of the atoms in the core.
    packing : share of space that the spheres of the shell fill.
    """
    composition = request.composition
    crystal = sized_lattice(lattice, composition, None)
    n_core = max(1, round(crystalline * request.n_atoms))
    origin = rng.random(3)
    core, _ = cut_block(
        lambda radius: crystal.ball(radius, origin),
        lambda r: np.linalg.norm(r, axis=1),
        n_core,
        crystal.density,
        crystal.bond,
    )
    shell = _shell(core, crystal.bond, ceil(1.3 * (request.n_atoms - n_core)) + 8, packing, rng)
    positions = np.concatenate([core, shell])
    kinds = np.repeat([0, 1], [len(core), len(shell)])
    positions, kinds = cut((positions, kinds), request.shape(PROTOTYPES["fcc"]), request.n_atoms)
    return Particle(
        positions, kinds, crystal.bond, lattice=crystal, drawn={"crystalline_atoms": int((kinds == 0).sum())}
    )


def _shell(
    core: NDArray[np.float64], diameter: float, n_atoms: int, packing: float, rng: np.random.Generator, steps: int = 60
) -> NDArray[np.float64]:
    """`n_atoms` spheres packed at random around the atoms of a `core` that stay where they are."""
    inner = float(np.linalg.norm(core, axis=1).max())
    outer = (inner**3 + sphere_radius(n_atoms, packing / (np.pi / 6 * diameter**3)) ** 3) ** (1 / 3)
    directions = rng.normal(size=(n_atoms, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = np.concatenate([core, directions * rng.uniform(inner**3, outer**3, size=(n_atoms, 1)) ** (1 / 3)])
    for _ in range(steps):
        pairs = cKDTree(positions).query_pairs(diameter, output_type="ndarray")
        # Atoms of the core do not give way, so those of the shell go the whole distance.
        rates = np.where((pairs < len(core)).any(axis=1), 2.0, 1.0)
        step = push_apart(positions, pairs, np.full(len(pairs), diameter), 0.45 * rates)
        step[: len(core)] = 0
        positions = positions + step
        distance = np.linalg.norm(positions, axis=1, keepdims=True)
        positions = positions * np.minimum(1, outer / np.maximum(distance, 1e-9))
    return positions[len(core) :]
