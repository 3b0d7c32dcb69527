"""What every effect shares: a switch, ranges, and how values are drawn from them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError
from pann.core.options import Range, as_range, refuse_unknown
from pann.simulation.noise.surface import surface_atoms

Values = dict[str, NDArray[Any]]
"""Drawn values by name; a single number is an array without axes."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What effects may look at when they draw.

    Attributes
    ----------
    model : the particle [Å].
    angles : (n_tilts, 3) nominal Euler angles [deg], in the order of acquisition.
    n_lines : scan lines of an image.
    """

    model: AtomicModel
    angles: NDArray[np.float64]
    n_lines: int

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        return len(self.angles)

    @cached_property
    def surface(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Atoms at the surface and directions away from their surroundings, see `surface_atoms`."""
        return surface_atoms(self.model.positions)

    @property
    def progress(self) -> NDArray[np.float64]:
        """Share of the series that is past when each image is taken, 0 for the first and 1 for the last, (n_tilts,)."""
        return np.linspace(0, 1, self.n_tilts) if self.n_tilts > 1 else np.zeros(self.n_tilts)


class Limits(NamedTuple):
    """Which values a range may hold."""

    least: float = 0.0
    most: float = float("inf")


NONE: Range = (0.0, 0.0)
"""The range of an effect that does nothing."""


@dataclass(frozen=True, kw_only=True)
class Effect(ABC):
    """One effect; what its values are when it is off is what its defaults give.

    Attributes
    ----------
    on : whether it acts.
    """

    key: ClassVar[str]
    """Name of the option, and of the random stream."""

    on: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.on, bool):
            raise ConfigError(f"simulation.noise.{self.key}.on is {self.on!r}: expected true or false")
        for entry in fields(self):
            for limits in getattr(entry.type, "__metadata__", ()):
                name = f"simulation.noise.{self.key}.{entry.name}"
                object.__setattr__(self, entry.name, as_range(name, getattr(self, entry.name), *limits))

    @classmethod
    def from_mapping(cls, values: Any) -> Self:
        """Build from plain values; an effect that is on needs all of its ranges."""
        where = f"simulation.noise.{cls.key}"
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where} is {values!r}: expected options by name, such as {{'on': false}}")
        # YAML 1.1 reads a bare word `on` as true, as a key too.
        given = {"on" if key is True else key: value for key, value in values.items()}
        names = [entry.name for entry in fields(cls)]
        refuse_unknown(where, given, names)
        needed = names if given.get("on") else ["on"]
        if missing := [name for name in needed if name not in given]:
            raise ConfigError(f"{where}: {', '.join(missing)} not given")
        return cls(**given)

    def drawn(self, rng: np.random.Generator, scene: Scene) -> Values:
        """Random values, or those that change nothing where the effect is off."""
        return (self if self.on else type(self)()).draw(rng, scene)

    @abstractmethod
    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """Random values by name."""


def pick(rng: np.random.Generator, limits: Range) -> float:
    """A number drawn uniformly from a range."""
    return float(rng.uniform(*limits))


def scalar(value: float) -> NDArray[np.float64]:
    """A number as an array without axes."""
    return np.asarray(value, dtype=np.float64)
