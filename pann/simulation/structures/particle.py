"""What the stages of a recipe hand on to each other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.elements import atomic_number
from pann.simulation.structures.cutting import Block
from pann.simulation.structures.lattices import Lattice
from pann.simulation.structures.shapes import Level


@dataclass(frozen=True, eq=False)
class Composition:
    """Which elements a particle is made of.

    Attributes
    ----------
    elements : atomic numbers; none where the structure has its own.
    fractions : composition, adds to one; where elements sit on sublattices it follows from those.
    by_site : whether each sublattice belongs to one element.
    anion : atomic number on the last sublattice, or None.
    """

    elements: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    by_site: bool = False
    anion: int | None = None

    def occupants(self, n_sublattices: int) -> tuple[int, ...]:
        """Atomic number of each sublattice: elements in sequence, the last one on all that follow, the anion last."""
        if self.anion is None:
            return tuple(self.elements[min(site, len(self.elements) - 1)] for site in range(n_sublattices))
        cations = replace(self, anion=None).occupants(max(n_sublattices - 1, 0))
        return (*cations, self.anion)


@dataclass(frozen=True)
class Request:
    """What the sites of a particle are asked to be.

    Attributes
    ----------
    n_atoms : before point defects.
    composition : elements that will sit on the sites.
    shape : gives the level function of the surface for a lattice.
    planar : puts planar defects into a block of a lattice; `size` [Å] is the radius of the particle.
    """

    n_atoms: int
    composition: Composition
    shape: Callable[[Lattice], Level]
    planar: Callable[[Block, Lattice, float], Block]


@dataclass(frozen=True, eq=False)
class Particle:
    """Sites of a particle, and their elements as soon as these are known.

    Attributes
    ----------
    positions : (n, 3) [Å], crystal axes along the axes of the frame.
    sublattices : (n,) sublattice numbers.
    bond : nearest-neighbour distance [Å].
    numbers : (n,) atomic numbers; None before the chemistry.
    lattice : the crystal; None where there is none.
    drawn : what was drawn on the way, for the record.
    """

    positions: NDArray[np.float64]
    sublattices: NDArray[np.int64]
    bond: float
    numbers: NDArray[np.int64] | None = None
    lattice: Lattice | None = None
    drawn: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def elements(self) -> NDArray[np.int64]:
        """Atomic numbers (n,), after the chemistry."""
        assert self.numbers is not None, "the chemistry comes before this stage"
        return self.numbers

    def with_numbers(self, numbers: NDArray[np.int64]) -> "Particle":
        """The particle with other elements."""
        return replace(self, numbers=numbers)

    def select(self, chosen: NDArray[Any]) -> "Particle":
        """The sites that a mask or indices choose."""
        numbers = None if self.numbers is None else self.numbers[chosen]
        return replace(self, positions=self.positions[chosen], sublattices=self.sublattices[chosen], numbers=numbers)

    def with_atoms(self, positions: NDArray[np.float64], numbers: NDArray[np.int64]) -> "Particle":
        """The particle with further atoms, on no sublattice (-1)."""
        return replace(
            self,
            positions=np.concatenate([self.positions, positions]),
            sublattices=np.concatenate([self.sublattices, np.full(len(positions), -1)]),
            numbers=np.concatenate([self.elements, numbers]),
        )


def as_numbers(elements: list[str] | None) -> tuple[int, ...]:
    """Atomic numbers of checked symbols."""
    return tuple(atomic_number(symbol) for symbol in elements or ())
