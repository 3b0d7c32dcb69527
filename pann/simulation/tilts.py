"""Tilt schemes."""

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.core.geometry import as_euler_angles


def single_axis(limit: float, step: float) -> NDArray[np.float64]:
    """Angles -limit, -limit + step, ..., limit about the tilt axis, (n_tilts, 3) [deg]."""
    if not (0 < limit <= 90 and 0 < step <= 2 * limit):
        raise InputError(
            f"tilts: limit {limit} and step {step}: expected 0 < limit <= 90 and 0 < step <= 2 limit [deg]"
        )
    n_steps = round(2 * limit / step)
    if abs(n_steps * step - 2 * limit) > 1e-6 * step:
        raise InputError(f"tilts: a step of {step}° does not divide the range of {2 * limit}°")
    return as_euler_angles(np.linspace(-limit, limit, n_steps + 1))


def evenly_spaced(limit: float, n_tilts: int) -> NDArray[np.float64]:
    """`n_tilts` angles from -limit to limit, (n_tilts, 3) [deg]; at 90° the last, equal to the first, is left out."""
    if n_tilts < 2:
        raise InputError(f"tilts: {n_tilts} projections: at least 2 are needed")
    return as_euler_angles(np.linspace(-limit, limit, n_tilts, endpoint=limit < 90))
