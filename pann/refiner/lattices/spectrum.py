"""The Fourier components of a whole volume in which a lattice may show."""

from dataclasses import dataclass
from math import floor, log, pi
from typing import Self

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import avg_pool3d, pad

BULK = 2.0
"""Width [Å] of the Gaussian whose copy is taken away first, so that the shape of the particle is no signal."""
RIM = 8
"""Voxels of padding: what is periodic does not wrap around."""
SHELL = 0.03
"""Width of a shell [1/Å]."""
FINEST = 1.1
"""Finest period [Å] that is looked at."""
COARSEST = 6.7
"""Coarsest period [Å] that is looked at."""
OVERLAP = 4
"""Planes of kz < 0 that filters of Fourier space see beside those above: as far as they reach."""
SLOPES = 8
"""Ranges of |kz| / |k| that are told apart: in the missing wedge everything is weak."""
LEAST_POWER = 1e-20
"""No component has less, so that ratios and logarithms are finite."""


@dataclass(frozen=True)
class Spectrum:
    """Components of periods between `COARSEST` and `FINEST`, in units of what is usual in their shell.

    Arrays are (2 mx + 1, 2 my + 1, mz + 1): kx and ky from low to high, zero in the middle, and kz from zero up, since
    the others are their conjugates.

    Attributes
    ----------
    values : complex components; if they were noise, their mean power would be one.
    usual : what they were divided by, the root of the usual power in their shell.
    radius : |k| [1/Å].
    steepness : |kz| / |k|, near one in the missing wedge.
    inside : whether a component is of these periods; the others are zero.
    shape : of the transform that they are a part of.
    size : (nx, ny, nz) of the volume.
    voxel_size : of the volume [Å].
    """

    values: Tensor
    usual: Tensor
    radius: Tensor
    steepness: Tensor
    inside: Tensor
    shape: tuple[int, int, int]
    size: tuple[int, int, int]
    voxel_size: float

    @classmethod
    def of(cls, values: Tensor, voxel_size: float) -> Self:
        """The spectrum of (nx, ny, nz) float32 `values`, on their device; `voxel_size` [Å]."""
        nx, ny, nz = values.shape
        shape = (padded_length(nx), padded_length(ny), padded_length(nz))
        reach = [floor(n * voxel_size / FINEST) for n in shape]
        axes = [torch.arange(-m, m + 1, device=values.device) for m in reach]
        axes[2] = axes[2][reach[2] :]
        kx, ky, kz = (axis / (n * voxel_size) for axis, n in zip(axes, shape, strict=True))
        radius = torch.sqrt(kx[:, None, None] ** 2 + ky[:, None] ** 2 + kz**2)
        shells = shell_of(radius)
        inside = (shells >= round(1 / COARSEST / SHELL)) & (shells < round(1 / FINEST / SHELL))
        steepness = kz / radius.clamp(min=SHELL)
        raw = _components(values, shape, reach) * fine_detail(radius) * inside
        usual = (shell_medians(power(raw), radius) / log(2)).sqrt()  # the median of an exponential distribution
        usual = torch.where(inside, usual, 1.0)
        return cls(raw / usual, usual, radius, steepness, inside, shape, (nx, ny, nz), voxel_size)

    @property
    def frequencies(self) -> list[Tensor]:
        """Of its components along each axis [1/Å]."""
        mx, my, mz = self.radius.shape[0] // 2, self.radius.shape[1] // 2, self.radius.shape[2] - 1
        counts = [
            torch.arange(low, high + 1, device=self.radius.device) for low, high in ((-mx, mx), (-my, my), (0, mz))
        ]
        return [count / (n * self.voxel_size) for count, n in zip(counts, self.shape, strict=True)]

    def alike(self, values: Tensor) -> Tensor:
        """The same components, in the same units, of other (nx, ny, nz) `values` of the same object."""
        reach = [self.values.shape[0] // 2, self.values.shape[1] // 2, self.values.shape[2] - 1]
        return _components(values, self.shape, reach) * fine_detail(self.radius) * self.inside / self.usual

    def volume(self, share: Tensor) -> Tensor:
        """(nx, ny, nz) what is left of the volume if a `share` of each component passes, in the units of the volume."""
        nx, ny, nz = self.shape
        whole = torch.zeros((nx, ny, nz // 2 + 1), dtype=self.values.dtype, device=self.values.device)
        mx, my, mz = self.values.shape[0] // 2, self.values.shape[1] // 2, self.values.shape[2]
        whole[: 2 * mx + 1, : 2 * my + 1, :mz] = self.values * self.usual * share
        whole = whole.roll((-mx, -my), (0, 1))
        return torch.fft.irfftn(whole, self.shape)[tuple(slice(0, n) for n in self.size)].contiguous()


def _components(values: Tensor, shape: tuple[int, ...], reach: list[int]) -> Tensor:
    whole = torch.fft.rfftn(values, shape)
    mx, my, mz = reach
    return whole.roll((mx, my), (0, 1))[: 2 * mx + 1, : 2 * my + 1, : mz + 1]


def padded_length(n: int) -> int:
    """Length of a transform of `n` voxels and the rim that keeps it from wrapping around."""
    return int(next_fast_len(n + RIM, real=True))


def power(components: Tensor) -> Tensor:
    """|F|²."""
    return components.real**2 + components.imag**2


def fine_detail(radius: Tensor) -> Tensor:
    """Factor for components of |k| = `radius` [1/Å] that takes the shape of the particle away."""
    return 1 - torch.exp(-2 * (pi * BULK * radius) ** 2)


def local_mean(values: Tensor) -> Tensor:
    """Mean of every component of `values` (kx, ky, kz) and its neighbours, 3³; zero outside.

    The size of a particle in its box makes speckles of about that size.
    """
    return avg_pool3d(values[None, None], 3, stride=1, padding=1)[0, 0]


def binomial_mean(values: Tensor) -> Tensor:
    """Mean of every component of `values` (kx, ky, kz) and its neighbours, those beside it half as important."""
    padded = pad(values[None, None], (1, 1, 1, 1, 1, 1))
    return avg_pool3d(avg_pool3d(padded, 2, stride=1), 2, stride=1)[0, 0]


def overlapped(features: Tensor) -> Tensor:
    """`features` (..., kx, ky, kz) that are alike at k and -k, with `OVERLAP` planes of kz < 0 before the others."""
    return torch.cat([features[..., 1 : OVERLAP + 1].flip(-3, -2, -1), features], dim=-1)


def shell_of(radius: Tensor) -> Tensor:
    """Number of the shell of every component."""
    return (radius / SHELL).long()


def slope_of(spectrum: Spectrum) -> Tensor:
    """(n,) number of the shell and of the range of |kz| / |k| of every component."""
    slopes = (spectrum.steepness * SLOPES).long().clamp(max=SLOPES - 1)
    return (shell_of(spectrum.radius) * SLOPES + slopes).flatten()


def shell_medians(values: Tensor, radius: Tensor) -> Tensor:
    """For every component the median of `values` in its shell: what is usual, however few reflections stand out."""
    shells = shell_of(radius).flatten()
    apart = 1000.0  # more than logarithms of powers differ: one sort orders each shell
    ordered, _ = torch.sort(shells * apart + values.clamp(min=LEAST_POWER).log().flatten().double())
    counts = torch.bincount(shells)
    first = counts.cumsum(0) - counts
    places = [(first + (counts - odd).clamp(min=0) // 2).clamp(max=len(ordered) - 1) for odd in (1, 0)]
    medians = (ordered[places[0]] + ordered[places[1]]) / 2 - apart * torch.arange(len(counts), device=values.device)
    return medians.exp().to(values.dtype)[shells].view_as(values)
