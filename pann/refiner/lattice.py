"""What is periodic in a volume: the lattice, gathered from the whole particle, as a network on patches cannot see it.

At low dose a single atom hardly stands out of noise, while a Bragg reflection adds up all atoms of the
crystal. Filtering Fourier space by what rises above its surroundings (Bragg filtering, as in high-resolution images:
Hÿtch, Snoeck and Kilaas, Ultramicroscopy 74, 131 (1998)) therefore says where the lattice wants atoms. Several grains
or phases pass side by side, each where it is; of a glass hardly anything passes.

A network that has read the volume once knows the crystal better than the volume shows it. In a second reading its
answer says which weak reflections are the crystal's; their amplitudes and phases remain those of the volume.
"""

from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor

from pann.core import Volume

BULK = 2.0
"""Width [Å] of the Gaussian whose copy is taken away first, so that the shape of the particle is no signal."""
RIM = 8
"""Voxels of padding: what is periodic does not wrap around."""
RISE = 2.5
"""Power, over the median of its shell, above which a component passes; soft: its excess over that does."""
GUIDED_RISE = 0.8
"""The same for components that stand out of the guide as those of `RISE` do of a volume: they are expected."""
SHELL = 0.03
"""Width of a shell [1/Å]."""
FINEST = 1.1
"""Finest period [Å] that may pass."""
LEAST_POWER = 1e-20
"""No component has less, so that ratios and logarithms are finite."""


def bragg_filtered(volume: Volume, guide: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """The periodic part (nx, ny, nz) of `volume`, in its units; zero on average, peaks where the lattice has atoms.

    With a `guide` (nx, ny, nz), a cleaner volume of the same object in any units, weak components pass too where the
    guide has strong ones.
    """
    clean = None if guide is None else torch.tensor(guide, dtype=torch.float32)
    part = periodic_part(torch.tensor(volume.values, dtype=torch.float32), volume.voxel_size, clean)
    periodic: NDArray[np.float32] = part.numpy()
    return periodic


def periodic_part(values: Tensor, voxel_size: float, guide: Tensor | None = None) -> Tensor:
    """`bragg_filtered` of (nx, ny, nz) float32 `values`, on their device; `voxel_size` [Å]."""
    shape = tuple(next_fast_len(n + RIM, real=True) for n in values.shape)
    radius = _radius(shape, voxel_size, values.device)
    fine = 1 - torch.exp(-2 * (pi * BULK * radius) ** 2)
    spectrum = torch.fft.rfftn(values, shape) * fine
    risen = _rise(spectrum, radius)
    passed = _excess(risen, RISE)
    if guide is not None:
        expected = _excess(_rise(torch.fft.rfftn(guide, shape) * fine, radius), RISE)
        passed = torch.maximum(passed, expected * _excess(risen, GUIDED_RISE))
    passed = passed * (radius <= 1 / FINEST)
    return torch.fft.irfftn(spectrum * passed, shape)[tuple(slice(0, n) for n in values.shape)].contiguous()


def _rise(spectrum: Tensor, radius: Tensor) -> Tensor:
    """Power of every component, averaged over 3³, over the median of its shell.

    The size of a particle in its box makes speckles of about that size.
    """
    power = spectrum.real**2 + spectrum.imag**2
    for axis in range(3):
        power = (power + power.roll(1, axis) + power.roll(-1, axis)) / 3
    return power / _shell_medians(power, radius)


def _excess(risen: Tensor, rise: float) -> Tensor:
    """Share of every component that passes: its power above `rise`."""
    return (1 - rise / risen.clamp(min=LEAST_POWER)).clamp(min=0)


def _radius(shape: tuple[int, ...], voxel_size: float, device: torch.device) -> Tensor:
    """|k| [1/Å] of every component of a real transform."""
    kx, ky = (torch.fft.fftfreq(n, voxel_size, device=device) for n in shape[:2])
    kz = torch.fft.rfftfreq(shape[2], voxel_size, device=device)
    return torch.sqrt(kx[:, None, None] ** 2 + ky[:, None] ** 2 + kz**2)


def _shell_medians(power: Tensor, radius: Tensor) -> Tensor:
    """For every component the median power of its shell: what is usual there, however few reflections stand out."""
    shells = (radius / SHELL).long().flatten()
    apart = 1000.0  # more than logarithms of powers differ: one sort orders each shell
    ordered, _ = torch.sort(shells * apart + power.clamp(min=LEAST_POWER).log().flatten().double())
    counts = torch.bincount(shells)
    first = counts.cumsum(0) - counts
    places = [(first + (counts - odd).clamp(min=0) // 2).clamp(max=len(ordered) - 1) for odd in (1, 0)]
    medians = (ordered[places[0]] + ordered[places[1]]) / 2 - apart * torch.arange(len(counts), device=power.device)
    return medians.exp().to(power.dtype)[shells].view_as(power)
