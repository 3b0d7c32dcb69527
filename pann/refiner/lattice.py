"""What is periodic in a volume: the lattice, gathered from the whole particle, as a network on patches cannot see it.

At low dose a single atom hardly stands out of noise, while a Bragg reflection adds up all atoms of the
crystal. Filtering Fourier space by what rises above its surroundings (Bragg filtering, as in high-resolution images:
Hÿtch, Snoeck and Kilaas, Ultramicroscopy 74, 131 (1998)) therefore says where the lattice wants atoms. Several grains
or phases pass side by side, each where it is; of a glass hardly anything passes.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, irfftn, next_fast_len, rfftfreq, rfftn
from scipy.ndimage import gaussian_filter, uniform_filter

from pann.core import Volume

BULK = 2.0
"""Width [Å] of the Gaussian whose copy is taken away first, so that the shape of the particle is no signal."""
RIM = 8
"""Voxels of padding: what is periodic does not wrap around."""
RISE = 2.5
"""Power, over the median of its shell, above which a component passes; soft: its excess over that does."""
SPECKLE = 3
"""Edge [Fourier voxels] over which power is averaged: the size of a particle in its box makes speckles of that size."""
SHELL = 0.03
"""Width of a shell [1/Å]."""
FINEST = 1.1
"""Finest period [Å] that may pass."""


def bragg_filtered(volume: Volume) -> NDArray[np.float32]:
    """The periodic part (nx, ny, nz) of `volume`, in its units; zero on average, peaks where the lattice has atoms."""
    values = volume.values.astype(np.float32)
    values = values - gaussian_filter(values, BULK / volume.voxel_size, mode="constant")
    shape = tuple(next_fast_len(n + RIM, real=True) for n in values.shape)
    spectrum = rfftn(values, shape)
    power = uniform_filter(spectrum.real**2 + spectrum.imag**2, SPECKLE, mode="wrap")
    radius = _radius(shape, volume.voxel_size)
    surroundings = _shell_medians(power, radius)
    passed = np.clip(1 - RISE * surroundings / np.maximum(power, 1e-20), 0, None)
    passed[radius > 1 / FINEST] = 0
    periodic = irfftn(spectrum * passed, shape)
    return periodic[tuple(slice(0, n) for n in values.shape)].astype(np.float32)


def _radius(shape: tuple[int, ...], voxel_size: float) -> NDArray[np.float32]:
    """|k| [1/Å] of every component of a real transform."""
    kx, ky = (fftfreq(n, voxel_size).astype(np.float32) for n in shape[:2])
    kz = rfftfreq(shape[2], voxel_size).astype(np.float32)
    radius: NDArray[np.float32] = np.sqrt(kx[:, None, None] ** 2 + ky[:, None] ** 2 + kz**2)
    return radius


def _shell_medians(power: NDArray[np.float32], radius: NDArray[np.float32]) -> NDArray[np.float32]:
    """For every component the median power of its shell: what is usual there, however few reflections stand out."""
    shells = (radius / SHELL).astype(np.int32).ravel()
    order = np.argsort(shells, kind="stable")
    edges = np.searchsorted(shells[order], np.arange(shells.max() + 2))
    sorted_power = power.ravel()[order]
    medians = np.array(
        [np.median(sorted_power[a:b]) if b > a else np.inf for a, b in pairwise(edges)],
        dtype=np.float32,
    )
    return medians[shells].reshape(power.shape)
