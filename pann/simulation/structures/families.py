"""Random particles of many kinds, with their elements and defects."""

from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.simulation.structures.alloys import by_order, ordered, random_alloy
from pann.simulation.structures.disorder import Disorder, disturb
from pann.simulation.structures.particles import (
    bicrystal_particle,
    cluster_particle,
    crystal_particle,
    glass_particle,
    network_particle,
)
from pann.simulation.structures.shapes import random_rotation

FAMILIES = ("crystal", "ordered", "bicrystal", "cluster", "compound", "glass", "network")
"""Kinds of particles that `random_particle` makes."""

_SHAPES = ("sphere", "ellipsoid", "rough", "polyhedron")
_METALS = ("fcc", "bcc", "hcp")
_ORDERED = ("l10", "l12", "b2")
_ANIONS = (7, 8, 9, 16)

Occupied = tuple[NDArray[np.float64], NDArray[np.int64], float]
"""Positions (n, 3) [Å], atomic numbers (n,) and the bond length [Å]."""


def mean_bond(elements: Sequence[int], fractions: NDArray[np.float64]) -> float:
    """Nearest-neighbour distance [Å] of an alloy: Vegard's rule over covalent diameters (Cordero et al. 2008)."""
    return float(2 * np.dot(covalent_radii[list(elements)], fractions))


def decorate(
    positions: NDArray[np.float64], elements: Sequence[int], fractions: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Elements of an alloy: at random, as core and shell, or segregated to two sides."""
    pattern = rng.choice(["random", "core-shell", "segregated"])
    if pattern == "random" or len(elements) == 1:
        return random_alloy(len(positions), elements, fractions, rng)
    extent = np.linalg.norm(positions, axis=1).max()
    order = np.linalg.norm(positions, axis=1) if pattern == "core-shell" else positions @ random_rotation(rng)[0]
    return by_order(order, elements, fractions, width=rng.uniform(0, 0.3) * extent, rng=rng)


def _compound(elements: Sequence[int], n_atoms: int, shape: str, rng: np.random.Generator) -> Occupied:
    """Rock salt or zinc blende of the first element and an anion; with two elements also perovskite ABX3."""
    anion = int(rng.choice(_ANIONS))
    cations = [number for number in elements if number != anion][:2]
    if not cations:
        raise InputError(f"structure: a compound needs an element other than its anion {anion}")
    name = str(rng.choice(["rocksalt", "zincblende", "perovskite"][: 1 + len(cations)]))
    occupants = [*cations[: 2 if name == "perovskite" else 1], anion]
    bond = float(covalent_radii[occupants[-2]] + covalent_radii[anion])
    positions, sites = crystal_particle(name, bond, n_atoms, shape, rng)
    return positions, ordered(sites, occupants, 0.0, rng), bond


def _glass(
    elements: Sequence[int], fractions: NDArray[np.float64], n_atoms: int, shape: str, rng: np.random.Generator
) -> Occupied:
    positions, numbers = glass_particle(random_alloy(n_atoms, elements, fractions, rng), shape, rng)
    return positions, numbers, float(2 * covalent_radii[numbers].mean())


def _alloy(
    family: str,
    elements: Sequence[int],
    fractions: NDArray[np.float64],
    n_atoms: int,
    shape: str,
    rng: np.random.Generator,
) -> Occupied:
    bond = mean_bond(elements, fractions) * rng.uniform(0.95, 1.07)
    lattice = str(rng.choice(_METALS))
    if family == "ordered":
        positions, sites = crystal_particle(str(rng.choice(_ORDERED)), bond, n_atoms, shape, rng)
        return positions, ordered(sites, elements[:2], rng.uniform(0, 0.3), rng), bond
    if family == "crystal":
        positions, _ = crystal_particle(lattice, bond, n_atoms, shape, rng)
    elif family == "bicrystal":
        positions, _ = bicrystal_particle(lattice, bond, n_atoms, rng)
    elif family == "cluster":
        positions, _ = cluster_particle(bond, n_atoms, rng)
    else:
        positions, _ = network_particle(bond, n_atoms, shape, rng)
    return positions, decorate(positions, elements, fractions, rng), bond


def random_particle(
    family: str, elements: Sequence[int], n_atoms: int, disorder: Disorder, rng: np.random.Generator
) -> AtomicModel:
    """A random particle of one of the `FAMILIES`, centred at zero.

    Parameters
    ----------
    elements : atomic numbers of an alloy, in random order; a compound adds an anion (N, O, F or S) of its own.
    n_atoms : before vacancies and roughening; a cluster takes the nearest magic size.
    disorder : limits of vacancies, surface roughness, strain and displacements.
    """
    if family not in FAMILIES:
        raise InputError(f"structure: there is no family {family!r}; choose from {', '.join(FAMILIES)}")
    if not elements or n_atoms < 2:
        raise InputError(f"structure: {len(elements)} elements and {n_atoms} atoms: give at least one and two")
    fractions = rng.dirichlet(np.full(len(elements), 3.0))
    shape = str(rng.choice(_SHAPES))
    if family == "compound":
        positions, numbers, bond = _compound(elements, n_atoms, shape, rng)
    elif family == "glass":
        positions, numbers, bond = _glass(elements, fractions, n_atoms, shape, rng)
    else:
        positions, numbers, bond = _alloy(family, elements, fractions, n_atoms, shape, rng)
    model = AtomicModel(positions, numbers, name=family, metadata={"family": family})
    return disturb(model, bond, disorder, rng)
