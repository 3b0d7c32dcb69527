"""Random patches of prepared examples, cut where the network trains."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pann.core.geometry import position_to_index
from pann.core.random import generator
from pann.refiner.example import Prepared
from pann.refiner.target import CUTOFF, splatted

PatchBatch = dict[str, Tensor]
"""Keys: patch (b, c, p, p, p); target (b, 2, p, p, p); pooled (b, 1, g, g, g); place (b, 3, 2); acquisition (b, 6)."""

Look = Callable[[Prepared, Tensor], Tensor]
"""From an example and its normalised density to channels, see `RefinerNet.channels_of`."""
MOST_CHANNELS = 8
"""That a look usually finds: density, two views of what is periodic, two mean cells, atoms of two, detail."""


@dataclass(eq=False)
class PatchSource:
    """What patches of one example are cut from.

    Attributes
    ----------
    prepared : the example.
    stored : (2, nx, ny, nz) float16, normalised density and what is periodic in it, on the device that keeps them.
    centres : (n, 3) true atoms [voxels].
    heights : (2, n) of the atoms in density and presence, see `pann.refiner.target`.
    sigma : width of the atoms in the target [voxels].
    look : finds the channels of a network that reads more than these two; None for one that does not.
    """

    prepared: Prepared
    stored: Tensor
    centres: NDArray[np.float32]
    heights: NDArray[np.float32]
    sigma: float
    look: Look | None = None

    @classmethod
    def of(cls, prepared: Prepared, device: torch.device | str = "cpu", look: Look | None = None) -> Self:
        """The source of `prepared`, its volumes on `device`."""
        example = prepared.example
        centres = position_to_index(example.positions, example.values.shape, example.voxel_size).astype(np.float32)
        sigma = prepared.sigma / example.voxel_size
        stored = torch.from_numpy(np.stack([example.values, example.lattice])).to(device)
        source = cls(prepared, stored, centres, prepared.target_heights, sigma, look)
        source._keep(stored)
        return source

    def _keep(self, stored: Tensor) -> None:
        """Store density and what is periodic in it; the example holds the same memory where it can."""
        self.stored = stored
        if stored.device.type == "cpu":
            self.prepared.example.values, self.prepared.example.lattice = stored.numpy()

    @cached_property
    def channels(self) -> Tensor:
        """(c, nx, ny, nz) float16, what the network reads; found when first asked for."""
        if self.look is None:
            return self.stored
        channels = self.look(self.prepared, self.stored[0].float()).half()
        self._keep(channels[:2])  # the same: kept once
        return channels

    @property
    def shape(self) -> NDArray[np.int64]:
        """(3,) voxels."""
        return np.array(self.stored.shape[1:])

    @property
    def size(self) -> int:
        """Bytes of its volumes, those that are found included."""
        return self.stored.nbytes if self.look is None else MOST_CHANNELS * self.stored.nbytes // 2


class Patch(NamedTuple):
    """A cube of a source: its first voxel (3,) and the axes along which it is mirrored."""

    source: PatchSource
    start: NDArray[np.int64]
    axes: tuple[int, ...]


def crop(channels: Tensor, start: NDArray[np.int64], size: int) -> Tensor:
    """The cube (c, size, size, size) of `channels` (c, nx, ny, nz) from voxel `start`, as float32; zero outside."""
    out = torch.zeros((len(channels), size, size, size), device=channels.device)
    low = np.clip(start, 0, channels.shape[1:])
    high = np.clip(start + size, 0, channels.shape[1:])
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    goal = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    out[(slice(None), *goal)] = channels[(slice(None), *source)].float()
    return out


def batch_of(patches: Sequence[Patch], size: int, device: torch.device | str = "cpu") -> PatchBatch:
    """Cut `patches` of edge `size` [voxels] and compute their targets, all on `device`."""
    cubes, pooled, places = [], [], []
    for source, start, axes in patches:
        cube = crop(source.channels, start, size).to(device)
        cubes.append(cube.flip([axis + 1 for axis in axes]) if axes else cube)
        pooled.append(np.flip(source.prepared.pooled.values, axes))
        places.append(flip_place(source.prepared.pooled.place(start, start + size), axes))
    return {
        "patch": torch.stack(cubes),
        "target": targets_of(patches, size, device),
        "pooled": sent(np.stack(pooled)[:, None], device),
        "place": sent(np.stack(places), device),
        "acquisition": sent(np.stack([patch.source.prepared.acquisition for patch in patches]), device),
    }


def sent(array: NDArray[Any], device: torch.device | str) -> Tensor:
    """`array` on `device`. A GPU does not wait for it: from pageable memory it would."""
    tensor = torch.from_numpy(array)
    on_gpu = torch.device(device).type == "cuda"
    return tensor.pin_memory().to(device, non_blocking=True) if on_gpu else tensor.to(device)


def targets_of(patches: Sequence[Patch], size: int, device: torch.device | str) -> Tensor:
    """The targets (b, 2, size, size, size) of `patches`: all in one sum, the patches far apart along x."""
    (sigma,) = {patch.source.sigma for patch in patches}
    rim = ceil(CUTOFF * sigma) + 1
    gap = size + 2 * rim
    centres, heights = [], []
    for place, (source, start, axes) in enumerate(patches):
        inside = source.centres - start
        near = np.all((inside > -rim) & (inside < size + rim), axis=1)
        inside = inside[near]
        inside[:, axes] = size - 1 - inside[:, axes]
        centres.append(inside + np.array([place * gap, 0, 0], np.float32))
        heights.append(source.heights[:, near])
    row = splatted(
        sent(np.concatenate(centres), device),
        sent(np.concatenate(heights, axis=1), device),
        (len(patches) * gap, size, size),
        sigma,
    )
    return row.unflatten(1, (len(patches), gap))[:, :, :size].transpose(0, 1).contiguous()


def flip_place(place: NDArray[np.float32], axes: Sequence[int]) -> NDArray[np.float32]:
    """Edges (3, 2) of a box in a cube -1 ... 1 after both were mirrored along `axes`."""
    out = place.copy()
    for axis in axes:
        out[axis] = -place[axis, ::-1]
    return out


@dataclass(frozen=True)
class Curriculum:
    """Bright series first.

    Attributes
    ----------
    dose : of the dimmest series at the start [e/Å² per projection].
    patches : within so many patches it falls, at a constant rate of its logarithm, to the lowest dose there is.
    """

    dose: float
    patches: int

    def least_dose(self, index: int, lowest: float) -> float:
        """Dose [e/Å² per projection] of the dimmest series that patch `index` may show."""
        share = min(index / max(self.patches, 1), 1.0)
        return float(self.dose ** (1 - share) * lowest**share) if self.dose > lowest else lowest


class PatchDataset(Dataset[Patch]):
    """Patches near atoms, mirrored at random along x, y and z.

    Mirrors are the only augmentation: a reconstruction carries the frame of its tilt axis and its missing wedge, and
    these survive a mirror (or a half turn, which is two mirrors) along the axes, but no other rotation.

    Patch `index` depends on the seed and the index alone. `batch_of` cuts them.

    Parameters
    ----------
    sources : to draw from.
    seed : of the draw.
    patch : edge [voxels].
    length : patches in an epoch.
    on_particle : share of patches near an atom.
    curriculum : bright series first; None draws from all from the start.
    """

    def __init__(
        self,
        sources: Sequence[PatchSource],
        *,
        seed: int,
        patch: int,
        length: int,
        on_particle: float,
        curriculum: Curriculum | None = None,
    ) -> None:
        self.sources = sources
        self.seed = seed
        self.patch = patch
        self.length = length
        self.on_particle = on_particle
        self.curriculum = curriculum
        self.brightest_first = sorted(range(len(sources)), key=lambda k: -sources[k].prepared.example.dose)
        self.doses = -np.array([sources[k].prepared.example.dose for k in self.brightest_first])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Patch:
        rng = generator(self.seed, "patch", index)
        chosen = self.sources[self.brightest_first[int(rng.integers(self._admitted(index)))]]
        start = self._start(chosen, rng)
        axes = tuple(axis for axis in range(3) if rng.random() < 0.5)
        return Patch(chosen, start, axes)

    def _admitted(self, index: int) -> int:
        """How many of the brightest sources patch `index` may come from."""
        if self.curriculum is None:
            return len(self.sources)
        least = self.curriculum.least_dose(index, float(-self.doses[-1]))
        return max(1, int(np.searchsorted(self.doses, -least, side="right")))

    def _start(self, chosen: PatchSource, rng: np.random.Generator) -> NDArray[np.int64]:
        if rng.random() < self.on_particle:
            centre = chosen.centres[rng.integers(len(chosen.centres))]
            centre = centre + rng.uniform(-0.25, 0.25, size=3) * self.patch
        else:
            centre = rng.uniform(0, 1, size=3) * chosen.shape
        return np.round(centre).astype(np.int64) - self.patch // 2
