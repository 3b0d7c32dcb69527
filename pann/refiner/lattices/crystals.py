"""What the counts say of a particle as a whole: its lattices, their mean cells and atoms, and all other detail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from pann.core.tilt_series import TiltSeries
from pann.refiner.lattices.cell_average import cell_average, seen_nodes
from pann.refiner.lattices.coherence import have_one_cell, lattices_in
from pann.refiner.lattices.gradient import CountsGradient
from pann.refiner.lattices.grains import grains_of
from pann.refiner.lattices.orientation import Lattice, find_lattices
from pann.refiner.lattices.sites import sites_of
from pann.refiner.lattices.spectrum import Spectrum
from pann.refiner.lattices.waves import Places, sum_of_waves

UNSURE, SEEN, SURE = 6.0, 9.0, 12.0
"""Scores of a lattice up to which it is not told from noise, and from which its cell is shown fully, and it is sure."""
WEAK_RIVAL, RIVAL = 8.0, 11.0
"""Scores of a lattice up to which it takes no place from another, and from which it takes all where it is stronger."""
CHANCE = 0.04
"""Share of the detail of a glass that the best of all lattices rarely exceeds; those of crystals explain 0.1 to 0.7."""
NOISE, HARDLY_SURE = 3.0, 10.0
"""Scores that mean nothing, and that hardly do."""
LOWEST, HIGHEST = -3.0, 8.0
"""What is shown of mean cells and detail lies within these."""
COARSER = 4
"""Voxels per step of the grid on which windows are kept, which are smooth."""
DETAIL_GAIN = 3.0
"""Brings the detail, a good part of whose standard deviation is lost to noise, to the height of the other views."""


def sureness(scores: ArrayLike) -> NDArray[np.float64]:
    """`scores` of lattices in units of one that is hardly beyond noise, no less than noise itself has."""
    beyond: NDArray[np.float64] = np.maximum(np.asarray(scores, np.float64), NOISE) / HARDLY_SURE
    return beyond


def trust_in(score: float, unsure: float = UNSURE, sure: float = SURE) -> float:
    """0 up to a `score` of `unsure`, where a lattice is not told from noise, 1 from `sure` on."""
    return min(max((score - unsure) / (sure - unsure), 0.0), 1.0)


@dataclass(frozen=True, eq=False)
class Crystals:
    """What is periodic in a particle, and what is not, by its counts.

    Cells and atoms are kept as waves, which are few.

    Attributes
    ----------
    lattices : in the order in which they were found, see `pann.refiner.lattices.coherence`; their nodes lie within the
        spectrum.
    cells : for each, amplitudes (n,) of the waves at its nodes whose sum is its mean cell, see
        `pann.refiner.lattices.cell_average`.
    sites : for each, those of the waves whose sum shows its atoms, see `pann.refiner.lattices.sites`.
    windows : (lattices, cx, cy, cz) where each is, 0 to 1, at even steps from the first to the last voxel.
    centre : (3,) about which the phases are [Å].
    detail : (nx, ny, nz) see `CountsGradient.detail`; times `DETAIL_GAIN`.
    excess : logarithm of how much more likely all detail makes the counts than none.
    voxel_size : [Å].
    """

    lattices: list[Lattice]
    cells: list[Tensor]
    sites: list[Tensor]
    windows: Tensor
    centre: tuple[float, ...]
    detail: Tensor
    excess: float
    voxel_size: float

    @classmethod
    def of(cls, density: Tensor, voxel_size: float, series: TiltSeries) -> Self:
        """Find them.

        Parameters
        ----------
        density : (nx, ny, nz) float32, reconstruction of `series`.
        voxel_size : [Å].
        """
        with torch.no_grad(), torch.autocast(density.device.type, enabled=False):  # phases need all digits
            gradient = CountsGradient.of(density, voxel_size, series)
            found = lattices_in(gradient, find_lattices(Spectrum.of(density, voxel_size)))
            return cls.shown_by(gradient, found)

    @property
    def best_score(self) -> float:
        """Of the lattice that stands out most, less what a wrong one explains of the detail of a glass; 0 without any.

        That of a lattice is the root of twice a logarithm of likelihoods, as `excess` is one.
        """
        return self._beyond_chance(max((lattice.score for lattice in self.lattices), default=0.0))

    @classmethod
    def shown_by(cls, gradient: CountsGradient, lattices: Sequence[Lattice]) -> Self:
        """What `gradient` shows of these `lattices`."""
        lattices = [replace(lattice, nodes=seen_nodes(gradient, lattice.nodes)) for lattice in lattices]
        nodes, spectrum = [lattice.nodes for lattice in lattices], gradient.spectrum
        rivals = [
            trust_in(lattice.score, WEAK_RIVAL, RIVAL) if k == 0 or lattice.apart else None
            for k, lattice in enumerate(lattices)
        ]
        grains = grains_of(gradient, nodes, rivals)
        cells = [cell_average(grain.part, own) for grain, own in zip(grains, nodes, strict=True)]
        sites = [sites_of(grain.part, own).amplitudes(own) for grain, own in zip(grains, nodes, strict=True)]
        axes = [
            torch.linspace(0, n - 1, ceil(n / COARSER) + 1, device=gradient.values.device) * spectrum.voxel_size + first
            for n, first in zip(spectrum.size, gradient.box.first, strict=True)
        ]
        return cls(
            lattices,
            [grain.about(gradient, *each) for grain, *each in zip(grains, nodes, cells, strict=True)],
            [grain.about(gradient, *each) for grain, *each in zip(grains, nodes, sites, strict=True)],
            torch.stack([gradient.box.at(grain.window, axes) for grain in grains]),
            gradient.places.centre,
            (DETAIL_GAIN * gradient.detail).clamp(LOWEST, HIGHEST),
            float(gradient.excess.sum()),
            spectrum.voxel_size,
        )

    def views(self, cells: int, sites: int, detail: bool) -> list[Tensor]:
        """Mean cells of the first `cells` lattices, atoms of the first `sites`, both repeated, and `detail`.

        Each (nx, ny, nz). A lattice is repeated everywhere but where another one is stronger. It is seen as far as it
        stands out of noise and of what a glass may show. The best one tells the particle from a glass: other grains,
        which have its cell, need no more than the former.
        """
        with torch.autocast(self.detail.device.type, enabled=False):
            shown = [self._shown(k, self.cells).clamp(LOWEST, HIGHEST) for k in range(cells)]
            shown += [self._shown(k, self.sites) for k in range(sites)]
            return shown + [self.detail] * detail

    def _beyond_chance(self, score: float) -> float:
        return max(score**2 - 2 * CHANCE * max(self.excess, 0.0), 0.0) ** 0.5

    def _shown(self, k: int, amplitudes: Sequence[Tensor]) -> Tensor:
        lattice = self.lattices[k]
        nodes, score = lattice.nodes, self._beyond_chance(lattice.score)
        best = max(self.lattices, key=lambda other: other.score)
        if have_one_cell(nodes, best.nodes):
            score = min(lattice.score, self.best_score)
        seen = trust_in(score, sure=SEEN)
        if seen == 0 or len(nodes) == 0:
            return torch.zeros_like(self.detail)
        axes = [
            (torch.arange(n, device=self.detail.device) - n // 2) * self.voxel_size - middle
            for n, middle in zip(self.detail.shape, self.centre, strict=True)
        ]
        window = self.windows[None, k : k + 1]
        window = interpolate(window, self.detail.shape, mode="trilinear", align_corners=True)[0, 0]
        return window * sum_of_waves(seen * amplitudes[k], Places(tuple(axes), self.centre), nodes)

    def mirrored(self, axes: Sequence[int]) -> Self:
        """Those of the particle mirrored along `axes`: voxel i becomes n − 1 − i."""
        middles = [(n - 1 - 2 * (n // 2)) * self.voxel_size for n in self.detail.shape]
        centre = [middles[axis] - x if axis in axes else x for axis, x in enumerate(self.centre)]
        lattices = [lattice.mirrored(axes) for lattice in self.lattices]
        windows = self.windows.flip([axis + 1 for axis in axes])
        detail = self.detail.flip(list(axes))
        return replace(self, lattices=lattices, windows=windows, centre=tuple(centre), detail=detail)

    def to(self, device: torch.device | str) -> Self:
        """The same on `device`."""
        return replace(
            self,
            lattices=[replace(lattice, nodes=lattice.nodes.to(device)) for lattice in self.lattices],
            cells=[cell.to(device) for cell in self.cells],
            sites=[site.to(device) for site in self.sites],
            windows=self.windows.to(device),
            detail=self.detail.to(device),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays to be kept, for `of_arrays`; the detail rounded to half precision."""
        nodes = [lattice.nodes for lattice in self.lattices]
        waves = {"nodes": nodes, "cells": self.cells, "sites": self.sites}
        return {
            **{name: torch.cat(values).cpu().numpy() for name, values in waves.items()},
            "counts": np.array([len(lattice.nodes) for lattice in self.lattices]),
            "scores": np.array([lattice.score for lattice in self.lattices]),
            "apart": np.array([lattice.apart for lattice in self.lattices]),
            "centre": np.array(self.centre),
            "windows": self.windows.cpu().numpy().astype(np.float16),
            "detail": self.detail.cpu().numpy().astype(np.float16),
            "excess": np.array(self.excess),
            "voxel_size": np.array(self.voxel_size),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """What `arrays` kept."""
        counts = arrays["counts"].tolist()
        nodes, cells, sites = (torch.from_numpy(arrays[name]).split(counts) for name in ("nodes", "cells", "sites"))
        return cls(
            [Lattice(*each) for each in zip(nodes, arrays["scores"].tolist(), arrays["apart"].tolist(), strict=True)],
            list(cells),
            list(sites),
            torch.from_numpy(arrays["windows"]).float(),
            tuple(arrays["centre"].tolist()),
            torch.from_numpy(arrays["detail"]).float(),
            float(arrays["excess"]),
            float(arrays["voxel_size"]),
        )
