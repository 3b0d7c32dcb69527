"""How far an object that fills the field is seen beyond it when tilted."""

import numpy as np
from numpy.typing import ArrayLike

from pann.core.geometry import as_euler_angles


def extended_shape(angles: ArrayLike, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Volume shape in which every ray of every image has its whole path through a film of `shape` = (nx, ny, nz).

    At tilt θ a field of nx pixels sees nx / cos θ + nz tan θ of a film of thickness nz across the tilt axis.
    """
    nx, ny, nz = shape
    theta = np.deg2rad(np.abs(as_euler_angles(angles)[:, 1]).max())
    width = int(np.ceil(nx / np.cos(theta) + nz * np.tan(theta)))
    return width + (width - nx) % 2, ny, nz
