"""What all tilt schemes share: the interface, and options that are numbers or ranges."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import ConfigError
from pann.core.options import as_range

WHERE = "simulation.tilts"
"""Where the options stand, for messages."""


class Scheme(ABC):
    """One kind of scheme; its options are checked when it is made."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Euler angles (n_tilts, 3) [deg]."""


def check_spacing(step: Any, n_tilts: Any, limit: float) -> None:
    """Exactly one of `step` [deg] and `n_tilts`, and at least two tilts within `limit` [deg]."""
    if (step is None) == (n_tilts is None):
        raise ConfigError(f"{WHERE}: give either step [deg] or n_tilts")
    if step is None:
        check_count(n_tilts)
    else:
        as_range(f"{WHERE}.step", step, 1e-3, limit)


def check_count(n_tilts: Any) -> None:
    """At least two tilts, and whole ones."""
    low, high = as_range(f"{WHERE}.n_tilts", n_tilts, 2, 100_000)
    if low != int(low) or high != int(high):
        raise ConfigError(f"{WHERE}.n_tilts is {n_tilts!r}: expected whole numbers")


def number(value: Any, rng: np.random.Generator) -> float:
    """A number, or one drawn uniformly from a range."""
    return float(rng.uniform(*as_range(WHERE, value, -np.inf)))


def whole(value: Any, rng: np.random.Generator) -> int:
    """A whole number, or one drawn from a range."""
    low, high = as_range(WHERE, value)
    return int(rng.integers(int(low), int(high) + 1))
