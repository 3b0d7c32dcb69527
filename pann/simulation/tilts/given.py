"""Angles that are given: a list, or a file."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import ConfigError, InputError
from pann.core.geometry import as_euler_angles
from pann.io import read_angles
from pann.simulation.tilts.scheme import WHERE, Scheme


@dataclass(frozen=True)
class Listed(Scheme):
    """Angles as they are given.

    Attributes
    ----------
    angles : (n_tilts,) theta, or (n_tilts, 3) [deg].
    """

    angles: Any

    def __post_init__(self) -> None:
        self._euler()

    def _euler(self) -> NDArray[np.float64]:
        try:
            return _usable(as_euler_angles(self.angles), "angles")
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{WHERE}.angles: expected numbers, one or three for each tilt ({error})") from error
        except InputError as error:
            raise ConfigError(f"{WHERE}: {error}") from error

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        return self._euler()


@dataclass(frozen=True)
class Published(Scheme):
    """Angles of a file.

    Attributes
    ----------
    path : .mat .npy .npz .txt .csv .dat .tlt .rawtlt or .mdoc, see `pann.io.read_angles`.
    key : name of the array, where the file holds several.
    angle_sign : -1 negates theta, for files that tilt the other way.
    """

    path: str
    key: str | None = None
    angle_sign: int = 1

    def __post_init__(self) -> None:
        if self.angle_sign not in (1, -1):
            raise ConfigError(f"{WHERE}.angle_sign is {self.angle_sign!r}: expected 1 or -1")
        self.draw(np.random.default_rng(0))

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `Scheme`."""
        angles = _usable(as_euler_angles(read_angles(self.path, self.key)), str(self.path))
        angles[:, 1] *= self.angle_sign
        return angles


def _usable(angles: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    if len(angles) < 2 or not np.isfinite(angles).all():
        raise InputError(f"{name}: {len(angles)} angles: expected at least two, all of them finite")
    return angles
