"""The mean unit cell of a lattice in a volume, repeated everywhere: sites, also where atoms hardly show.

Averaged over all cells of a crystal, the noise of its density falls by the root of their number, and light atoms and
faint ends of a particle get the sites of the rest. In Fourier space the average is the sum over the nodes of the
reciprocal lattice alone, each with its exact amplitude and phase (averaging over unit cells, as in the electron
crystallography of two-dimensional crystals: Henderson and Unwin, Nature 257, 28 (1975)). A filter of the components of
a volume passes those next to a node as well, and with them noise that bends the lattice where the crystal is faint.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Self

import torch
from torch import Tensor

from pann.refiner.orientation import Lattice, both_halves, component_at, importance_of
from pann.refiner.spectrum import LEAST_POWER, Spectrum, fine_detail, power

AT_ONCE = 64
"""Nodes whose waves are in memory together."""
USUAL_SIGNAL = 4.0
"""Power of a node, over what is usual, above which its size hardly counts any more in the fit."""
FIT_STEPS = 8
HELD = 0.02
"""Weight of the squared changes of the lattice, in units in which atoms at its rim move by about a node's period."""
UNSURE, SURE = 5.0, 10.0
"""Scores of a lattice below which its cell is not shown, and above which it is shown fully."""
LOWEST, HIGHEST = -3.0, 8.0
"""What is shown lies within these, in standard deviations of the mean cell."""


def cell_average(values: Tensor, spectrum: Spectrum, lattice: Lattice) -> Tensor:
    """The mean cell of `lattice` in `values` (nx, ny, nz), repeated everywhere, in standard deviations of itself.

    Zero on average, and everywhere if the score of the lattice does not tell it from noise.

    Parameters
    ----------
    values : (nx, ny, nz) float32, density.
    spectrum : of `values`.
    lattice : found in it; its cell is fitted first, see `fitted_nodes`.
    """
    sure = min(max((lattice.score - UNSURE) / (SURE - UNSURE), 0.0), 1.0)
    if sure == 0:
        return torch.zeros_like(values)
    with torch.autocast(values.device.type, enabled=False):  # phases need all digits
        places = Places.of(values, spectrum.voxel_size)
        nodes = fitted_nodes(values, spectrum, lattice.nodes)
        usual = usual_at(spectrum, nodes)
        amplitudes = components_at(values, places, nodes)
        rise = power(amplitudes) / usual**2
        amplitudes = amplitudes * (1 - 1 / rise.clamp(min=LEAST_POWER)).clamp(min=0)  # Wiener's share
        size = (power(amplitudes).sum() / 2).sqrt().clamp(min=LEAST_POWER)
        return sure * (_sum_of_waves(amplitudes / size, places, nodes)).clamp(LOWEST, HIGHEST)


def fitted_nodes(values: Tensor, spectrum: Spectrum, nodes: Tensor) -> Tensor:
    """`nodes` (n, 3) of a lattice [1/Å], turned and strained as a whole to where they are strongest in `values`.

    The sum of w ln(1 + p / `USUAL_SIGNAL`) over the nodes, p the power over what is usual, is climbed by steps of a
    Newton method whose curvature is that of the Fourier transform of the whole density about a node. An error δk of a
    node is a phase of 2π R δk at the rim of a particle of radius R: the nearest component is not good enough. Atoms
    scatter less to the outside, which draws the nodes inwards a little: the sites at the rim are off by some 0.06 Å in
    a particle of 20 Å whose atoms have a width of 0.3 Å, and by less in larger ones.
    """
    places = Places.of(values, spectrum.voxel_size)
    usual = usual_at(spectrum, nodes)
    weight = importance_of(nodes.norm(dim=-1))
    spread = (2 * pi) ** 2 * places.covariance(values)
    usual_curvature = float(spread.diagonal().mean() * (nodes**2).sum(1).mean())
    held = HELD * max(usual_curvature, LEAST_POWER) * torch.eye(9, device=nodes.device)

    def climb(moved: Tensor) -> tuple[float, Tensor, Tensor]:
        transform, slope = gradients_at(values, places, moved)
        signal = power(transform) / usual**2 / USUAL_SIGNAL
        height = float((weight * torch.log1p(signal)).sum())
        share = weight / (1 + signal)
        uphill = 2 * (transform.conj()[:, None] * slope).real / (usual**2 * USUAL_SIGNAL)[:, None] * share[:, None]
        curvature = torch.einsum("n,ni,nj,kl->ikjl", 2 * share * signal, nodes, nodes, spread).reshape(9, 9)
        return height, (nodes.T @ uphill).flatten(), curvature

    change = torch.zeros(9, device=nodes.device)
    height, uphill, curvature = climb(nodes)
    size = 1.0
    for _ in range(FIT_STEPS):
        step = size * torch.linalg.solve(curvature + held, uphill - held @ change)
        trial = change + step
        there = climb(nodes + nodes @ trial.view(3, 3))
        if there[0] > height:
            change, (height, uphill, curvature), size = trial, there, min(2 * size, 1.0)
        else:
            size /= 4
    return nodes + nodes @ change.view(3, 3)


def usual_at(spectrum: Spectrum, nodes: Tensor) -> Tensor:
    """(n,) what is usual for the amplitude of `components_at` at `nodes`; infinite at those outside the spectrum."""
    place = component_at(spectrum, nodes.T)
    usual = both_halves(spectrum.usual)[place] / fine_detail(nodes.norm(dim=-1))
    return torch.where(both_halves(spectrum.inside)[place], usual, torch.inf)


@dataclass(frozen=True)
class Places:
    """Coordinates of voxels [Å] along x, y and z, about the centroid of the density."""

    axes: tuple[Tensor, ...]

    @classmethod
    def of(cls, values: Tensor, voxel_size: float) -> Self:
        """Those of the voxels of non-negative `values`; `voxel_size` [Å]."""
        axes = []
        for axis in range(3):
            along = values.sum([other for other in range(3) if other != axis])
            cells = torch.arange(len(along), device=values.device, dtype=values.dtype)
            axes.append((cells - (cells * along).sum() / along.sum().clamp(min=LEAST_POWER)) * voxel_size)
        return cls(tuple(axes))

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


def _sum_of_waves(amplitudes: Tensor, places: Places, nodes: Tensor) -> Tensor:
    """(nx, ny, nz) the real part of the sum of `amplitudes` (n,) times exp(2πi k x)."""
    total = torch.zeros([len(axis) for axis in places.axes], device=nodes.device)
    for part, waves in _few(places, nodes):
        x, y, z = (wave.conj() for wave in waves)
        sheets = torch.einsum("n,nx,ny->xyn", amplitudes[part], x, y)
        total += sheets.real @ z.real - sheets.imag @ z.imag
    return total
