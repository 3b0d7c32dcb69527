"""A small scene with known answers: images of Gaussian atoms, and one effect at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.cluster import Octahedron
from numpy.typing import NDArray

from pann.core import AtomicModel
from pann.core.geometry import pixel_coordinates
from pann.simulation.noise import Distortions, Drawn

PIXEL = 0.4
SHAPE = (64, 60)
ANGLES = np.linspace(-60, 60, 13)
SIGMA = 0.6
PARTICLE = Octahedron("Pt", 6, 1)
MODEL = AtomicModel(PARTICLE.positions - PARTICLE.positions.mean(axis=0), PARTICLE.numbers)


def gaussians(points: NDArray[np.float64], n: int = len(ANGLES), shape: tuple[int, int] = SHAPE) -> NDArray[np.float64]:
    """The same image n times: Gaussian atoms of `SIGMA` [Å] at `points` (k, 2) [Å], each of peak 0.02."""
    pairs = zip(shape, points.T, strict=True)
    x, y = (np.exp(-((pixel_coordinates(m, PIXEL)[:, None] - c) ** 2) / (2 * SIGMA**2)) for m, c in pairs)
    return np.repeat((0.02 * x @ y.T)[None], n, axis=0)


def centroids(images: NDArray[Any]) -> NDArray[np.float64]:
    """Centre of mass (n, 2) [Å] of each image."""
    weights = images / images.sum(axis=(1, 2), keepdims=True)
    x, y = (pixel_coordinates(m, PIXEL) for m in images.shape[1:])
    return np.stack([(weights.sum(axis=2) * x).sum(axis=1), (weights.sum(axis=1) * y).sum(axis=1)], axis=1)


def with_effects(**effects: Mapping[str, Any]) -> Distortions:
    """Only the named effects, on."""
    return Distortions.from_mapping({name: {"on": True, **ranges} for name, ranges in effects.items()})


def draw(distortions: Distortions, seed: int = 1, index: int = 0, angles: NDArray[np.float64] = ANGLES) -> Drawn:
    return distortions.draw(seed, index, MODEL, angles, SHAPE, PIXEL)
