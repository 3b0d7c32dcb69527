"""Orientations of a particle relative to the beam during a tilt series."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from pann.core.geometry import rotation_matrices
from pann.simulation.structures.lattices import Lattice
from pann.simulation.structures.options import Real, Vector
from pann.simulation.structures.registry import Registry
from pann.simulation.structures.shapes import random_rotation

LOW_INDEX = np.array([v for v in product((-1, 0, 1), repeat=3) if v > (0, 0, 0)], dtype=np.float64)
"""<100>, <110> and <111> directions of a cubic crystal, one of each pair of opposites, (13, 3)."""

OrientationMaker = Callable[..., NDArray[np.float64]]
"""(lattice, rng, options) -> rotation (3, 3) from the frame of the crystal to that of the particle."""

ORIENTATIONS: Registry[OrientationMaker] = Registry("orientation")


@ORIENTATIONS.add("random")
def random(lattice: Lattice | None, rng: np.random.Generator) -> NDArray[np.float64]:
    """Uniform over all rotations."""
    return random_rotation(rng)


@ORIENTATIONS.add("identity")
def identity(lattice: Lattice | None, rng: np.random.Generator) -> NDArray[np.float64]:
    """Crystal axes along the axes of the frame, c along the beam."""
    return np.eye(3)


@ORIENTATIONS.add("zone_axis", "crystal", axis=Vector([0, 0, 1]), mistilt=Real(0, 90, 0.0))
def zone_axis(
    lattice: Lattice | None, rng: np.random.Generator, axis: list[float], mistilt: float
) -> NDArray[np.float64]:
    """The lattice direction `axis` along the beam at zero tilt, off by `mistilt` [deg] towards a random side."""
    along = np.asarray(axis) / np.linalg.norm(axis) if lattice is None else lattice.direction(axis)
    onto_beam = Rotation.align_vectors([[0.0, 0.0, 1.0]], [along])[0]
    spin, side = rng.uniform(0, 2 * np.pi, size=2)
    off = Rotation.from_rotvec(np.radians(mistilt) * np.array([np.cos(side), np.sin(side), 0.0]))
    return (off * Rotation.from_rotvec([0.0, 0.0, spin]) * onto_beam).as_matrix()


@ORIENTATIONS.add("off_zone_axes", "crystal", tilt_limit=Real(0, 90, 70.0), tries=Real(1, 10000, 200, whole=True))
def off_zone(lattice: Lattice | None, rng: np.random.Generator, tilt_limit: float, tries: int) -> NDArray[np.float64]:
    """Far from low-index zone axes over tilts from -`tilt_limit` to `tilt_limit` [deg]."""
    directions = LOW_INDEX if lattice is None else LOW_INDEX @ lattice.cell
    return off_zone_axes(np.linspace(-tilt_limit, tilt_limit, 41), rng, tries, directions)


def angle_to_zone_axis(
    rotation: ArrayLike, angles: ArrayLike, directions: ArrayLike = LOW_INDEX
) -> NDArray[np.float64]:
    """Angle [deg] between the beam and the nearest low-index axis, (..., n_tilts).

    Parameters
    ----------
    rotation : (..., 3, 3), from crystal axes to the frame of the particle.
    angles : Euler angles of the tilts [deg].
    directions : (k, 3) of the axes in the frame of the crystal; <100>, <110> and <111> of a cubic one by default.
    """
    axes = np.asarray(directions, dtype=np.float64)
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    beams = rotation_matrices(angles)[:, 2] @ np.asarray(rotation, dtype=np.float64)
    cosines = np.abs(beams @ axes.T)
    return np.degrees(np.arccos(np.clip(cosines.max(axis=-1), 0, 1)))


def off_zone_axes(
    angles: ArrayLike, rng: np.random.Generator, tries: int = 500, directions: ArrayLike | Sequence[float] = LOW_INDEX
) -> NDArray[np.float64]:
    """The random orientation (3, 3), best of `tries`, whose tilt series stays farthest from low-index zone axes.

    Channelling along zone axes breaks the linear image model, so experiments avoid them too.
    """
    candidates = np.stack([random_rotation(rng) for _ in range(tries)])
    nearest = angle_to_zone_axis(candidates, angles, directions).min(axis=-1)
    return candidates[int(np.argmax(nearest))]
