"""Random patches of prepared examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from pann.core.geometry import position_to_index
from pann.core.random import generator
from pann.refiner.example import Prepared

PatchBatch = dict[str, Tensor]
"""Keys: patch (b, 2, p, p, p); target (b, 1, p, p, p); pooled (b, 1, g, g, g); place (b, 3, 2); acquisition (b, 6)."""


def crop(array: NDArray[np.generic], start: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """The cube of edge `size` from voxel `start`, as float32; zero outside the array."""
    out = np.zeros((size,) * 3, dtype=np.float32)
    low = np.clip(start, 0, array.shape)
    high = np.clip(start + size, 0, array.shape)
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    goal = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
    out[goal] = array[source]
    return out


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


class PatchDataset(Dataset[PatchBatch]):
    """Patches near atoms, mirrored at random along x, y and z.

    Mirrors are the only augmentation: a reconstruction carries the frame of its tilt axis and its missing wedge, and
    these survive a mirror (or a half turn, which is two mirrors) along the axes, but no other rotation.

    Patch `index` depends on the seed and the index alone.

    Parameters
    ----------
    examples : to draw from.
    seed : of the draw.
    patch : edge [voxels].
    length : patches in an epoch.
    on_particle : share of patches near an atom.
    curriculum : bright series first; None draws from all from the start.
    """

    def __init__(
        self,
        examples: Sequence[Prepared],
        *,
        seed: int,
        patch: int,
        length: int,
        on_particle: float,
        curriculum: Curriculum | None = None,
    ) -> None:
        self.examples = examples
        self.seed = seed
        self.patch = patch
        self.length = length
        self.on_particle = on_particle
        self.curriculum = curriculum
        self.brightest_first = sorted(range(len(examples)), key=lambda k: -examples[k].example.dose)
        self.doses = -np.array([examples[k].example.dose for k in self.brightest_first])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> PatchBatch:
        rng = generator(self.seed, "patch", index)
        chosen = self.examples[self.brightest_first[int(rng.integers(self._admitted(index)))]]
        start = self._start(chosen, rng)
        axes = tuple(axis for axis in range(3) if rng.random() < 0.5)
        place = chosen.pooled.place(start, start + self.patch)

        def channel(array: NDArray[np.float32]) -> Tensor:
            return torch.from_numpy(np.flip(array, axes).copy())[None]

        example = chosen.example
        return {
            "patch": torch.cat([channel(crop(v, start, self.patch)) for v in (example.values, example.lattice)]),
            "target": channel(chosen.target_patch(start, self.patch)),
            "pooled": channel(chosen.pooled.values),
            "place": torch.from_numpy(flip_place(place, axes)),
            "acquisition": torch.from_numpy(chosen.acquisition),
        }

    def _admitted(self, index: int) -> int:
        """How many of the brightest examples patch `index` may come from."""
        if self.curriculum is None:
            return len(self.examples)
        least = self.curriculum.least_dose(index, float(-self.doses[-1]))
        return max(1, int(np.searchsorted(self.doses, -least, side="right")))

    def _start(self, chosen: Prepared, rng: np.random.Generator) -> NDArray[np.int64]:
        shape = chosen.example.values.shape
        if rng.random() < self.on_particle:
            atom = chosen.example.positions[rng.integers(len(chosen.example.positions))]
            centre = position_to_index(atom, shape, chosen.example.voxel_size)
            centre = centre + rng.uniform(-0.25, 0.25, size=3) * self.patch
        else:
            centre = rng.uniform(0, 1, size=3) * np.array(shape)
        return np.round(centre).astype(np.int64) - self.patch // 2
