"""Plane waves over a grid: Fourier transforms of a density at any point of Fourier space, and the way back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import pi
from typing import Self

import torch
from torch import Tensor

from pann.refiner.lattices.spectrum import LEAST_POWER

AT_ONCE = 64
"""Nodes whose waves are in memory together."""


@dataclass(frozen=True)
class Places:
    """Coordinates of voxels [Å] along x, y and z, about a centre.

    Attributes
    ----------
    axes : along each.
    centre : (3,) [Å].
    """

    axes: tuple[Tensor, ...]
    centre: tuple[float, ...]

    @classmethod
    def of(cls, values: Tensor, axes: Sequence[Tensor]) -> Self:
        """Those about the centroid of non-negative `values` (nx, ny, nz), whose voxels lie at `axes` [Å]."""
        centre = []
        for axis, places in enumerate(axes):
            along = values.sum([other for other in range(3) if other != axis])
            centre.append(float((places * along).sum() / along.sum().clamp(min=LEAST_POWER)))
        return cls(tuple(places - middle for places, middle in zip(axes, centre, strict=True)), tuple(centre))

    def on(self, axes: Sequence[Tensor]) -> Self:
        """The same of a grid whose voxels lie at `axes` [Å]."""
        return replace(self, axes=tuple(places - middle for places, middle in zip(axes, self.centre, strict=True)))

    def covariance(self, values: Tensor) -> Tensor:
        """(3, 3) of the density [Å²]; only its diagonal, since particles are about round."""
        total = values.sum().clamp(min=LEAST_POWER)
        squares = [
            (values.sum([other for other in range(3) if other != axis]) * places**2).sum() / total
            for axis, places in enumerate(self.axes)
        ]
        return torch.diag(torch.stack(squares))

    def waves(self, nodes: Tensor) -> list[Tensor]:
        """exp(−2πi k x) (n, nx), (n, ny) and (n, nz) of `nodes` (n, 3)."""
        return [
            torch.polar(torch.ones_like(phase), phase)
            for phase in (-2 * pi * nodes[:, axis, None] * places for axis, places in enumerate(self.axes))
        ]


def components_at(values: Tensor, places: Places, nodes: Tensor) -> Tensor:
    """The Fourier transform of `values` at `nodes` (n, 3), wherever they are; (n,) complex."""
    return torch.cat([_transformed(values, waves) for _, waves in _few(places, nodes)])


def gradients_at(values: Tensor, places: Places, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The Fourier transform F of `values` at `nodes` (n,), and ∂F/∂k (n, 3) [Å]."""
    transforms, slopes = [], []
    for _, waves in _few(places, nodes):
        moments = []
        for axis, coordinates in enumerate(places.axes):
            weighted = [wave * coordinates if k == axis else wave for k, wave in enumerate(waves)]
            moments.append(-2j * pi * _transformed(values, weighted))
        transforms.append(_transformed(values, waves))
        slopes.append(torch.stack(moments, dim=1))
    return torch.cat(transforms), torch.cat(slopes)


def _few(places: Places, nodes: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
    """Parts of `nodes`, and their waves."""
    for first in range(0, len(nodes), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        yield part, places.waves(nodes[part])


def _transformed(values: Tensor, waves: list[Tensor]) -> Tensor:
    """Sum over voxels of `values` times the product of `waves` (n, nx), (n, ny), (n, nz)."""
    x, y, z = waves
    rows = torch.complex(values @ z.real.T, values @ z.imag.T)  # (nx, ny, n)
    return torch.einsum("xyn,ny,nx->n", rows, y, x)


def sum_of_waves(amplitudes: Tensor, places: Places, nodes: Tensor) -> Tensor:
    """(nx, ny, nz) the real part of the sum of `amplitudes` (n,) times exp(2πi k x)."""
    total = torch.zeros([len(axis) for axis in places.axes], device=nodes.device)
    for part, waves in _few(places, nodes):
        x, y, z = (wave.conj() for wave in waves)
        sheets = torch.einsum("n,nx,ny->xyn", amplitudes[part], x, y)
        total += sheets.real @ z.real - sheets.imag @ z.imag
    return total
