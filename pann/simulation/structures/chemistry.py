"""Which element sits on which site: a stage of the recipe."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pann.simulation.structures.alloys import by_order, ordered, random_alloy
from pann.simulation.structures.disorder import coordination
from pann.simulation.structures.element_options import Amounts, Elements
from pann.simulation.structures.options import Real, Vector, Word
from pann.simulation.structures.particle import Composition, Particle
from pann.simulation.structures.registry import Registry
from pann.simulation.structures.shapes import random_rotation

Decorate = Callable[..., NDArray[np.int64]]
"""(particle, composition, rng, options) -> atomic numbers (n,)."""

CHEMISTRY: Registry[Decorate] = Registry("chemistry")
"""Patterns of elements. The options `elements` and `fractions` say of what; the others say how."""

ANIONS = ["N", "O", "F", "S"]
"""Of compounds, where a recipe names none."""

_MIXED = {"elements": Elements(), "fractions": Amounts()}


@CHEMISTRY.add("stoichiometric", "own", antisites=Real(0, 0.9, 0.0))
def stoichiometric(
    particle: Particle, composition: Composition, rng: np.random.Generator, antisites: float
) -> NDArray[np.int64]:
    """The elements that the structure brings, a share `antisites` of the atoms exchanged at random."""
    numbers = particle.elements.copy()
    swapped = np.flatnonzero(rng.random(len(numbers)) < antisites)
    numbers[swapped] = numbers[rng.permutation(swapped)]
    return numbers


@CHEMISTRY.add("random", **_MIXED)
def random(particle: Particle, composition: Composition, rng: np.random.Generator) -> NDArray[np.int64]:
    """A solid solution: every site draws its element."""
    return random_alloy(len(particle), composition.elements, composition.fractions, rng)


@CHEMISTRY.add("ordered", "by_site", elements=Elements(), order=Real(0, 1, 1.0))
def ordered_alloy(
    particle: Particle, composition: Composition, rng: np.random.Generator, order: float
) -> NDArray[np.int64]:
    """Element k on sublattice k. `order` is the long-range order parameter S of Bragg and Williams.

    A share 1 - S of the atoms changes places at random, which leaves S between the sublattices on average.
    """
    occupants = composition.occupants(int(particle.sublattices.max()) + 1)
    return ordered(particle.sublattices, occupants, 1 - order, rng)


@CHEMISTRY.add("compound", "by_site", elements=Elements(), anions=Elements(ANIONS))
def compound(particle: Particle, composition: Composition, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cations on the first sublattices, one of `anions` on the last."""
    lattice = particle.lattice
    assert lattice is not None, "compounds sit on crystals (checked with the recipe)"
    return ordered(particle.sublattices, composition.occupants(lattice.n_sublattices), 0.0, rng)


@CHEMISTRY.add("core_shell", **_MIXED, mixing=Real(0, 1, [0.0, 0.1]))
def core_shell(
    particle: Particle, composition: Composition, rng: np.random.Generator, mixing: float
) -> NDArray[np.int64]:
    """Elements from the centre outwards, the borders mixed over the share `mixing` of the radius."""
    return _in_layers(particle, composition, np.linalg.norm(_centred(particle), axis=1), mixing, rng)


@CHEMISTRY.add("janus", **_MIXED, mixing=Real(0, 1, [0.0, 0.1]), axis=Vector("random"))
def janus(
    particle: Particle, composition: Composition, rng: np.random.Generator, mixing: float, axis: list[float] | str
) -> NDArray[np.int64]:
    """Elements side by side along `axis`, the borders mixed over the share `mixing` of the radius."""
    return _in_layers(particle, composition, _centred(particle) @ _along(particle, axis, rng), mixing, rng)


@CHEMISTRY.add(
    "gradient", **_MIXED, direction=Word(("radial", "axial"), ["radial", "axial"]), mixing=Real(0, 2, [0.3, 0.7])
)
def gradient(
    particle: Particle, composition: Composition, rng: np.random.Generator, direction: str, mixing: float
) -> NDArray[np.int64]:
    """A composition that changes smoothly from the centre outwards or from one side to the other."""
    positions = _centred(particle)
    order = np.linalg.norm(positions, axis=1) if direction == "radial" else positions @ random_rotation(rng)[0]
    return _in_layers(particle, composition, order, mixing, rng)


@CHEMISTRY.add("segregated", **_MIXED, mixing=Real(0, 10, [0.5, 2.0]))
def segregated(
    particle: Particle, composition: Composition, rng: np.random.Generator, mixing: float
) -> NDArray[np.int64]:
    """The last elements gather where atoms have few neighbours: on corners, edges and facets.

    `mixing` is the noise of that preference, in neighbours.
    """
    missing = -coordination(particle.positions, 1.2 * particle.bond).astype(np.float64)
    return by_order(missing, composition.elements, composition.fractions, mixing, rng)


@CHEMISTRY.add("domains", **_MIXED, length=Real(0.1, 5, [0.4, 1.0]), mixing=Real(0, 3, [0.0, 0.3]))
def domains(
    particle: Particle, composition: Composition, rng: np.random.Generator, length: float, mixing: float
) -> NDArray[np.int64]:
    """Separated phases: level sets of a random smooth field with waves of `length` particle diameters."""
    positions = _centred(particle)
    wave = 2 * np.pi / (length * 2 * _extent(positions))
    directions = rng.normal(size=(12, 3))
    directions *= wave / np.linalg.norm(directions, axis=1, keepdims=True)
    field = np.cos(positions @ directions.T + rng.uniform(0, 2 * np.pi, size=12)).sum(axis=1) / np.sqrt(6)
    return by_order(field, composition.elements, composition.fractions, mixing, rng)


def _centred(particle: Particle) -> NDArray[np.float64]:
    return particle.positions - particle.positions.mean(axis=0)


def _extent(positions: NDArray[np.float64]) -> float:
    return max(float(np.linalg.norm(positions, axis=1).max()), 1e-6)


def _along(particle: Particle, axis: list[float] | str, rng: np.random.Generator) -> NDArray[np.float64]:
    if isinstance(axis, str):
        return random_rotation(rng)[0]
    if particle.lattice is not None:
        return particle.lattice.direction(axis)
    return np.asarray(axis) / np.linalg.norm(axis)


def _in_layers(
    particle: Particle, composition: Composition, order: NDArray[np.float64], mixing: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    width = mixing * _extent(_centred(particle))
    return by_order(order, composition.elements, composition.fractions, width, rng)
