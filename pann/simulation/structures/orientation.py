"""Orientations of a crystal relative to the beam during a tilt series."""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.geometry import rotation_matrices
from pann.simulation.structures.shapes import random_rotation

LOW_INDEX = np.array([v for v in product((-1, 0, 1), repeat=3) if v > (0, 0, 0)], dtype=np.float64)
"""<100>, <110> and <111> directions of a cubic crystal, one of each pair of opposites, (13, 3)."""


def angle_to_zone_axis(rotation: ArrayLike, angles: ArrayLike) -> NDArray[np.float64]:
    """Angle [deg] between the beam and the nearest <100>, <110> or <111> axis, (n_tilts,).

    Parameters
    ----------
    rotation : (3, 3), from cubic crystal axes to the frame of the particle.
    angles : Euler angles of the tilts [deg].
    """
    beams = rotation_matrices(angles)[:, 2] @ np.asarray(rotation, dtype=np.float64)
    cosines = np.abs(beams @ (LOW_INDEX / np.linalg.norm(LOW_INDEX, axis=1, keepdims=True)).T)
    return np.degrees(np.arccos(np.clip(cosines.max(axis=1), 0, 1)))


def off_zone_axes(angles: ArrayLike, rng: np.random.Generator, tries: int = 500) -> NDArray[np.float64]:
    """The random orientation (3, 3), best of `tries`, whose tilt series stays farthest from low-index zone axes.

    Channelling along zone axes breaks the linear image model, so experiments avoid them too.
    """
    candidates = [random_rotation(rng) for _ in range(tries)]
    nearest = [angle_to_zone_axis(rotation, angles).min() for rotation in candidates]
    return candidates[int(np.argmax(nearest))]
