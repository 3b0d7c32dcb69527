"""Outer shapes of particles, as level functions: the surface is where the level is constant."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pann.core.errors import InputError

Level = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(n, 3) positions [Å] -> (n,) levels [Å]; a sphere has the distance from the centre as its level."""

SHAPES = ("sphere", "ellipsoid", "rough", "polyhedron")


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix (3, 3), uniform over all rotations."""
    return Rotation.random(rng=rng).as_matrix()


def random_shape(kind: str, rng: np.random.Generator) -> Level:
    """A random member of the family `kind` (see `SHAPES`), of about the size of the unit-level sphere.

    sphere: exact. ellipsoid: half axes within a factor 1.4 of each other. rough: a sphere whose radius varies by some
    per cent over the directions. polyhedron: cut by {100} and {111} planes at random distances (a Wulff shape with
    random surface energies), in the frame of the crystal axes before rotation.
    """
    if kind == "sphere":
        return lambda r: np.linalg.norm(r, axis=1)
    if kind == "ellipsoid":
        axes = rng.uniform(0.85, 1.2, size=3)
        axes /= np.prod(axes) ** (1 / 3)
        turn = random_rotation(rng)
        return lambda r: np.linalg.norm((r @ turn) / axes, axis=1)
    if kind == "rough":
        waves = rng.normal(size=(6, 3)) * 2.0
        phases = rng.uniform(0, 2 * np.pi, size=6)
        amplitude = 0.05 * rng.normal(size=6)

        def rough(r: NDArray[np.float64]) -> NDArray[np.float64]:
            distance = np.linalg.norm(r, axis=1)
            direction = r / np.maximum(distance, 1e-9)[:, None]
            return distance / (1 + np.cos(direction @ waves.T + phases) @ amplitude)

        return rough
    if kind == "polyhedron":
        planes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]], dtype=float)
        normals = np.concatenate([planes, -planes])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        distances = rng.uniform(0.9, 1.2, size=len(normals))
        return lambda r: (r @ normals.T / distances).max(axis=1)
    raise InputError(f"structure: there is no shape {kind!r}; choose one of {', '.join(SHAPES)}")
