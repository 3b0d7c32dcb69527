"""Amorphous structures: random points relaxed by simple pair potentials."""

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_STEPS = 60


def random_ball(n_atoms: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (n_atoms, 3) uniform in a ball of `radius`."""
    directions = rng.normal(size=(n_atoms, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * radius * rng.random((n_atoms, 1)) ** (1 / 3)


def _into_ball(positions: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    distance = np.linalg.norm(positions, axis=1, keepdims=True)
    return positions * np.minimum(1, radius / np.maximum(distance, 1e-9))


def dense_packing(
    radii: NDArray[np.float64], packing_fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Random dense packing of spheres in a ball: a metallic glass.

    Overlapping pairs push each other apart (soft spheres, damped steps) from random starting points.

    Parameters
    ----------
    radii : (n,) of the atoms [Å].
    packing_fraction : share of the ball filled by spheres; 0.64 is random close packing.

    Returns
    -------
    (n, 3) positions [Å] and the radius of the ball [Å].
    """
    ball = float(((radii**3).sum() / packing_fraction) ** (1 / 3))
    positions = random_ball(len(radii), ball, rng)
    for _ in range(_STEPS):
        pairs = cKDTree(positions).query_pairs(2 * radii.max(), output_type="ndarray")
        step = _separation(positions, pairs, radii[pairs].sum(axis=1), 0.45)
        positions = _into_ball(positions + step, ball)
    return positions, ball


def tetrahedral_network(
    n_atoms: int, bond: float, rng: np.random.Generator, density: float = 0.65
) -> tuple[NDArray[np.float64], float]:
    """Random network in which most atoms have four neighbours: amorphous silicon and its like.

    The four nearest neighbours are drawn to the bond length, all others pushed beyond 1.5 bonds (second neighbours of a
    tetrahedral network sit at 1.63 bonds).

    Parameters
    ----------
    bond : [Å]; 2.35 in silicon.
    density : atoms per bond³; 0.65 in diamond structures.

    Returns
    -------
    (n, 3) positions [Å] and the radius of the ball [Å].
    """
    ball = float((3 * n_atoms / (4 * pi * density)) ** (1 / 3) * bond)
    positions = random_ball(n_atoms, ball, rng)
    shell = 1.5 * bond
    for _ in range(_STEPS):
        tree = cKDTree(positions)
        pairs = tree.query_pairs(shell, output_type="ndarray")
        step = _separation(positions, pairs, np.full(len(pairs), bond), 0.45)
        step += _separation(positions, pairs, np.full(len(pairs), shell), 0.05)
        distances, neighbours = tree.query(positions, k=min(5, n_atoms))
        offsets = positions[neighbours[:, 1:]] - positions[:, None]
        stretch = 1 - bond / np.maximum(distances[:, 1:], 1e-6)
        step += 0.15 * (offsets * stretch[..., None]).sum(axis=1)
        positions = _into_ball(positions + step, ball)
    return positions, ball


def _separation(
    positions: NDArray[np.float64], pairs: NDArray[np.int64], lengths: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    """Steps (n, 3) [Å] that move the `pairs` (m, 2) closer than `lengths` (m,) [Å] apart by `rate` of the overlap."""
    step = np.zeros_like(positions)
    offsets = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    distances = np.maximum(np.linalg.norm(offsets, axis=1), 1e-3)
    push = offsets * (0.5 * rate * np.maximum(lengths / distances - 1, 0))[:, None]
    push = np.clip(push, -0.5, 0.5)
    np.add.at(step, pairs[:, 1], push)
    np.subtract.at(step, pairs[:, 0], push)
    return step
