"""Thermal vibration: one rms displacement for all atoms, or one for each element."""

from collections.abc import Mapping
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import ConfigError, InputError

Thermal = float | Mapping[int, float]
"""Rms displacement along one axis [Å], one number or one by atomic number."""

THERMAL_SIGMA = 0.07
"""Usual rms displacement of an atom along one axis at room temperature [Å]."""


def check_thermal(name: str, thermal: Thermal) -> None:
    """Raise ConfigError unless every displacement is a number of at least zero."""
    values = thermal.values() if isinstance(thermal, Mapping) else (thermal,)
    if not all(isfinite(value) and value >= 0 for value in values):
        raise ConfigError(f"{name}: thermal_sigma is {thermal}: expected numbers >= 0 [Å]")


def sigma_of(thermal: Thermal, number: int) -> float:
    """Displacement [Å] of element `number`."""
    if not isinstance(thermal, Mapping):
        return thermal
    if number not in thermal:
        raise InputError(f"thermal_sigma names no atomic number {number}: it has {sorted(thermal)}")
    return thermal[number]


def sigma_of_atoms(thermal: Thermal, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Displacement [Å] of each atom, (n_atoms,)."""
    elements, inverse = np.unique(numbers, return_inverse=True)
    return np.array([sigma_of(thermal, int(number)) for number in elements])[inverse]
