"""Noisy crystals, whose lattice is to be found."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pann.core import TiltSeries, Volume
from pann.core.atom_images import image_of_atoms
from pann.core.geometry import project_positions
from pann.core.random import generator
from pann.refiner.lattices.gradient import ATOM
from pann.refiner.target import gaussian_atoms

SHAPE = (64, 64, 64)
VOXEL = 0.4
BOND = 2.8
"""[Å]"""
TURN = Rotation.from_euler("zyx", [23, 41, 12], degrees=True)
"""No special orientation."""
OTHER = Rotation.from_euler("xz", [35, 20], degrees=True)
"""Of a second grain against the first."""


def crystal(radius=10.0, bond=BOND):
    """A ball of an fcc crystal, turned by `TURN`, (n, 3) [Å]."""
    cube = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), -1).reshape(-1, 3)
    fcc = cube[cube.sum(1) % 2 == 0] * bond / 2**0.5
    points = TURN.apply(fcc)
    return points[np.linalg.norm(points, axis=1) < radius]


def two_grains(boundary):
    """The ball beyond x = `boundary` [Å] turned by `OTHER`: positions (n, 3) [Å], and which of them are turned (n,)."""
    first, second = crystal(), OTHER.apply(crystal())
    first, second = first[first[:, 0] < boundary], second[second[:, 0] > boundary + 1.5]
    return np.concatenate([first, second]), np.arange(len(first) + len(second)) >= len(first)


def noisy(positions, noise, seed=0):
    """A volume of atoms of height one and of white noise of deviation `noise`."""
    clean = gaussian_atoms(positions, np.ones(len(positions)), SHAPE, VOXEL, 0.6)
    return Volume(clean + noise * generator(seed, "noise").normal(size=SHAPE).astype(np.float32), VOXEL)


def counted(positions, heights=None, electrons=3.0, tilts=25, seed=0, images=None):
    """Atoms of `heights` and their Poisson counts: a density (64³) to smooth, and the tilt series.

    `electrons` is what an atom of height one gives in one image; `images` are expected counts to take instead.
    """
    heights = np.ones(len(positions)) if heights is None else heights
    angles = np.linspace(-63, 63, tilts)
    places = project_positions(positions, angles) / VOXEL
    if images is None:
        drawn = [image_of_atoms(place, SHAPE[:2], ATOM / VOXEL) @ (electrons * heights) for place in places]
        images = np.stack(drawn).reshape(-1, *SHAPE[:2]) + 0.02
    counts = generator(seed, "counts").poisson(images)
    density = gaussian_atoms(positions, heights, SHAPE, VOXEL, 0.5)
    return torch.from_numpy(density), TiltSeries(counts.astype(np.float32), angles, VOXEL)


def true_nodes(turn=TURN):
    """The eight {111} reflections of the crystal, one of each pair."""
    cell = BOND * 2**0.5
    return turn.apply(np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / cell)


def farthest(nodes, lattice):
    """Of the `nodes`, the distance of the worst from the nodes of `lattice` and their opposites."""
    both = np.concatenate([lattice.nodes.numpy(), -lattice.nodes.numpy()])
    return np.linalg.norm(nodes[:, None] - both, axis=-1).min(axis=1).max()
