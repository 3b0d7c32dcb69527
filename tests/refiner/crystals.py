"""Noisy crystals, whose lattice is to be found."""

import numpy as np
from scipy.spatial.transform import Rotation

from pann.core import Volume
from pann.core.random import generator
from pann.refiner.target import gaussian_atoms

SHAPE = (64, 64, 64)
VOXEL = 0.4
BOND = 2.8
"""[Å]"""
TURN = Rotation.from_euler("zyx", [23, 41, 12], degrees=True)
"""No special orientation."""


def crystal(radius=10.0, bond=BOND):
    """A ball of an fcc crystal, turned by `TURN`, (n, 3) [Å]."""
    cube = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), -1).reshape(-1, 3)
    fcc = cube[cube.sum(1) % 2 == 0] * bond / 2**0.5
    points = TURN.apply(fcc)
    return points[np.linalg.norm(points, axis=1) < radius]


def noisy(positions, noise, seed=0):
    """A volume of atoms of height one and of white noise of deviation `noise`."""
    clean = gaussian_atoms(positions, np.ones(len(positions)), SHAPE, VOXEL, 0.6)
    return Volume(clean + noise * generator(seed, "noise").normal(size=SHAPE).astype(np.float32), VOXEL)
