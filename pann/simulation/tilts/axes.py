"""Schemes about one axis or two, with steps or numbers of images."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.core.geometry import as_euler_angles
from pann.core.options import as_range
from pann.simulation.tilts.scheme import WHERE, Scheme, check_count, check_spacing, number, whole

GOLDEN_RATIO = (1 + sqrt(5)) / 2


def evenly_spaced(limit: float, n_tilts: int) -> NDArray[np.float64]:
    """`n_tilts` angles from -limit to limit, (n_tilts, 3) [deg]; at 90° the last, equal to the first, is left out."""
    if n_tilts < 2:
        raise InputError(f"tilts: {n_tilts} projections: at least 2 are needed")
    return as_euler_angles(np.linspace(-limit, limit, n_tilts, endpoint=limit < 90))


@dataclass(frozen=True)
class Single(Scheme):
    """One axis, from -limit to limit.

    Attributes
    ----------
    limit : largest tilt [deg].
    step : [deg]; zero is among the angles, and the last one is the largest multiple within the limit.
    n_tilts : instead of `step`, evenly spaced from -limit to limit.
    jitter : largest deviation of each angle from even steps [deg].
    full_range : share of the series that reach from -90 to 90 degrees instead.
    """

    limit: Any
    step: Any = None
    n_tilts: Any = None
    jitter: Any = 0.0
    full_range: float = 0.0

    def __post_init__(self) -> None:
        lowest, _ = as_range(f"{WHERE}.limit", self.limit, 1e-3, 90)
        check_spacing(self.step, self.n_tilts, lowest)
        as_range(f"{WHERE}.jitter", self.jitter, most=90)
        as_range(f"{WHERE}.full_range", self.full_range, most=1)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        full = rng.random() < self.full_range
        limit = 90.0 if full else number(self.limit, rng)
        if self.step is None:
            angles = evenly_spaced(limit, whole(self.n_tilts, rng))
        else:
            step = number(self.step, rng)
            reach = int(limit / step + 1e-9)
            # At 90° the last image would repeat the first one, mirrored.
            angles = as_euler_angles(step * np.arange(-reach, reach + (reach * step < 90 - 1e-9)))
        angles[:, 1] += number(self.jitter, rng) * rng.uniform(-1, 1, size=len(angles))
        return angles


@dataclass(frozen=True)
class Full(Scheme):
    """One axis over 180 degrees, as for a needle: from -90 degrees, without the angle that would repeat the first.

    Attributes
    ----------
    step, n_tilts, jitter : as for `Single`.
    """

    step: Any = None
    n_tilts: Any = None
    jitter: Any = 0.0

    def __post_init__(self) -> None:
        self._single()

    def _single(self) -> Single:
        return Single(90, self.step, self.n_tilts, self.jitter)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        return self._single().draw(rng)


@dataclass(frozen=True)
class Dual(Scheme):
    """Two series about one axis each; before the second the sample is turned in its plane.

    Attributes
    ----------
    limit, step, n_tilts, jitter : of each series, as for `Single`; both draw their own.
    phi : how far the sample is turned [deg].
    """

    limit: Any
    step: Any = None
    n_tilts: Any = None
    jitter: Any = 0.0
    phi: Any = 90.0

    def __post_init__(self) -> None:
        self._single()
        as_range(f"{WHERE}.phi", self.phi, -180, 180)

    def _single(self) -> Single:
        return Single(self.limit, self.step, self.n_tilts, self.jitter)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        first, second = self._single().draw(rng), self._single().draw(rng)
        second[:, 0] = number(self.phi, rng)
        return np.concatenate([first, second])


@dataclass(frozen=True)
class Golden(Scheme):
    """Golden-ratio order: the range is covered evenly at any time (Kaestner et al. 2011, Opt. Eng. 50, 123201).

    Attributes
    ----------
    limit : largest tilt [deg].
    n_tilts : number of projections.
    """

    limit: Any
    n_tilts: Any

    def __post_init__(self) -> None:
        as_range(f"{WHERE}.limit", self.limit, 1e-3, 90)
        check_count(self.n_tilts)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        limit, n_tilts = number(self.limit, rng), whole(self.n_tilts, rng)
        return as_euler_angles(limit * (2 * (np.arange(n_tilts) / GOLDEN_RATIO % 1) - 1))
