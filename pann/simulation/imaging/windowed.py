"""Tier `windowed`: multislice in torch in which each probe sees a periodic crop of the specimen; CPU and GPU.

A probe of 25 mrad is some ångströms wide, so the rest of the box does not matter to it. A window of 10 Å differs from
the whole box by R = 1 to 2 %; a window as large as the box is full multislice.
"""

from dataclasses import dataclass
from math import ceil, pi
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from pann.core.errors import ConfigError
from pann.simulation.imaging.device import torch_device
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.imaging.potential import layer_of, transmission_slices
from pann.simulation.imaging.waves import Foci, Specimen, WaveTier
from pann.simulation.microscope import Microscope

LEAST_WINDOW = 6.0
"""Narrower windows [Å] cut the probe."""
REACH = 1.0
"""A slice is vacuum to a probe whose window ends further [Å] than this from every atom in it."""


@dataclass(frozen=True)
class WindowedTier(WaveTier):
    """Windowed multislice; the other options are those of `WaveTier`.

    Attributes
    ----------
    window : least width of the window [Å]; at most the box.
    batch : probes that travel together: some 16 fill the cache of a CPU core, 1000 a GPU.
    """

    name: ClassVar[str] = "windowed"
    window: float = 10.0
    batch: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < LEAST_WINDOW or self.batch < 1:
            raise ConfigError(
                f"windowed: window {self.window} Å, batch {self.batch}: expected at least {LEAST_WINDOW} Å, and 1 probe"
            )
        if self.potential == "abtem" and self.device != "cpu":
            raise ConfigError("windowed: abTEM's potential is built on the CPU: set potential=exact or device=cpu")

    def _scan(
        self, specimen: Specimen, points: NDArray[np.float64], foci: Foci, microscope: Microscope
    ) -> NDArray[np.float64]:
        slices = self._slices(specimen, microscope)
        box = specimen.box
        window = _Window(box.edges, box.gpts, self.window, microscope, slices.device)
        thickness = box.edges[2] / len(slices)
        propagator = window.propagator(thickness)
        slices = window.wrapped(slices)
        spans = occupied_slices(specimen, points, len(slices), max(window.edges) / 2 + REACH)
        # Probes that enter and leave the particle together travel together; through vacuum alone nothing is scattered.
        order = np.lexsort((spans[:, 1], spans[:, 0]))
        order = order[spans[order, 0] < spans[order, 1]]
        to_entry = {int(first): window.propagator(thickness * int(first)) for first in np.unique(spans[order, 0])}
        total = np.zeros(len(points))
        for focus, weight in foci:
            aperture = window.aperture(focus)
            for start in range(0, len(order), self.batch):
                rows = order[start : start + self.batch]
                first, last = int(spans[rows, 0].min()), int(spans[rows, 1].max())
                corners, probes = window.probes(points[rows], aperture * to_entry[first])
                waves = _through(probes, slices[first:last], corners, propagator)
                total[rows] += weight * window.detect(waves).cpu().numpy()
        return total

    def _slices(self, specimen: Specimen, microscope: Microscope) -> Tensor:
        if self.potential == "abtem":
            from pann.simulation.imaging.abtem_tools import abtem_slices

            return torch.as_tensor(abtem_slices(specimen, microscope.energy))
        return transmission_slices(
            specimen.numbers,
            specimen.positions,
            specimen.box.edges,
            specimen.box.gpts,
            specimen.slice_thickness,
            microscope.energy,
            device=torch_device(self.name, self.device),
        )


class _Window:
    """Waves on a periodic crop of the box, with its sampling."""

    def __init__(
        self,
        edges: tuple[float, float, float],
        gpts: tuple[int, int],
        least: float,
        microscope: Microscope,
        device: torch.device,
    ) -> None:
        self.microscope, self.gpts, self.device = microscope, gpts, device
        self.sampling = (edges[0] / gpts[0], edges[1] / gpts[1])
        sizes = [min(n, smooth_size(ceil(least / s - 1e-9), 2)) for n, s in zip(gpts, self.sampling, strict=True)]
        self.shape = (sizes[0], sizes[1])
        self.edges = (sizes[0] * self.sampling[0], sizes[1] * self.sampling[1])
        self.kx, self.ky = (
            np.fft.fftfreq(n, s).reshape(shape)
            for n, s, shape in zip(self.shape, self.sampling, ((-1, 1), (1, -1)), strict=True)
        )
        self.squared = self.kx**2 + self.ky**2
        alpha = 1e3 * microscope.wavelength * np.sqrt(self.squared)
        self.annulus = self._tensor((alpha >= microscope.inner) & (alpha < microscope.outer)).to(torch.float32)

    def _tensor(self, array: NDArray) -> Tensor:
        return torch.as_tensor(array).to(self.device)

    def wrapped(self, slices: Tensor) -> Tensor:
        """Periodic `slices` (n, nx, ny), continued by a window so that every crop is a block of them."""
        columns, rows = (self._tensor(np.arange(n + m) % n) for n, m in zip(self.gpts, self.shape, strict=True))
        return slices[:, columns[:, None], rows[None, :]]

    def propagator(self, distance: float) -> Tensor:
        """Fresnel propagator over `distance` [Å], limited to 2/3 of the Nyquist frequency."""
        from abtem.antialias import antialias_aperture

        phase = -pi * self.microscope.wavelength * distance * self.squared
        band = antialias_aperture(self.shape, self.sampling, np)
        return self._tensor((band * np.exp(1j * phase)).astype(np.complex64))

    def aperture(self, focus: float) -> Tensor:
        """Transform of a probe at the origin whose crossover lies `focus` [Å] below the entrance surface, unit norm."""
        from abtem.transfer import soft_aperture

        m = self.microscope
        alpha = m.wavelength * np.sqrt(self.squared)
        phi = np.arctan2(self.ky, self.kx)
        steps = [1e3 * m.wavelength / (n * s) for n, s in zip(self.shape, self.sampling, strict=True)]
        disc = soft_aperture(alpha, phi, 1e-3 * m.semiangle, (steps[0], steps[1]))
        phase = pi * m.wavelength * focus * self.squared - m.aberration_phase(alpha, phi)
        wave = disc * np.exp(1j * phase)
        return self._tensor((wave / np.sqrt((disc**2).sum())).astype(np.complex64))

    def probes(self, points: NDArray[np.float64], aperture: Tensor) -> tuple[Tensor, Tensor]:
        """First column and row (m, 2) of each window at `points` (m, 2) [Å]; transforms of the probes (m, nx, ny)."""
        waves, corners = aperture, []
        for axis, k in enumerate((self.kx, self.ky)):
            n, half = self.gpts[axis], self.shape[axis] // 2
            nearest = np.rint(points[:, axis] / self.sampling[axis]).astype(int)
            # A probe stands in the middle of its window, off the grid point there by less than half a step.
            offset = points[:, axis] - (nearest - half) * self.sampling[axis]
            ramp = np.exp(-2j * pi * offset[:, None, None] * k[None]).astype(np.complex64)
            waves = waves * self._tensor(ramp)
            corners.append((nearest - half) % n)
        return self._tensor(np.stack(corners, axis=1)), waves

    def detect(self, waves: Tensor) -> Tensor:
        """Share of each of the `waves` (m, nx, ny), given in Fourier space, on the detector."""
        power = torch.view_as_real(waves).square().sum(-1)
        return (power * self.annulus).sum(dim=(1, 2), dtype=torch.float64)


def occupied_slices(specimen: Specimen, points: NDArray[np.float64], n_slices: int, reach: float) -> NDArray[np.int64]:
    """First slice with an atom near each of `points` (m, 2) [Å], and the one behind the last, (m, 2).

    Near is at most `reach` [Å] away along x and along y, in the periodic box. Without an atom they are n_slices and 0.
    """
    layers = layer_of(specimen.positions, specimen.box.edges[2], n_slices)
    lateral = np.array(specimen.box.edges[:2])
    spans = np.tile([n_slices, 0], (len(points), 1))
    for layer in np.unique(layers):
        atoms = cKDTree(specimen.positions[layers == layer, :2], boxsize=lateral)
        distances, _ = atoms.query(points % lateral, p=np.inf, distance_upper_bound=reach)
        near = np.isfinite(distances)
        spans[near, 0] = np.minimum(spans[near, 0], layer)
        spans[near, 1] = layer + 1
    return spans


def _through(waves: Tensor, slices: Tensor, corners: Tensor, propagator: Tensor) -> Tensor:
    """The `waves` (m, nx, ny) behind all of the wrapped `slices`; both in Fourier space."""
    for transmission in slices:
        crops = _crops(transmission, corners, (waves.shape[1], waves.shape[2]))
        waves = torch.fft.fft2(crops.mul_(torch.fft.ifft2(waves, norm="ortho")), norm="ortho").mul_(propagator)
    return waves


def _crops(transmission: Tensor, corners: Tensor, shape: tuple[int, int]) -> Tensor:
    """Blocks (m, nx, ny) of one wrapped slice, from `corners` (m, 2) on."""
    nx, ny = shape
    if transmission.device.type == "cpu":  # copies of blocks: faster than an index here, slower on a GPU
        return torch.stack([transmission[x : x + nx, y : y + ny] for x, y in corners.tolist()])
    columns = corners[:, 0, None, None] + torch.arange(nx, device=corners.device)[:, None]
    rows = corners[:, 1, None, None] + torch.arange(ny, device=corners.device)
    return transmission[columns, rows]
