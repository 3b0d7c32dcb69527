"""Back-projection by central slices: images of any pixel onto a grid that holds just the components of a spectrum.

The transform of an image is a plane of that of the object (the projection-slice theorem). All planes are added to a
grid of Fourier space, each value to the eight nearest points, and transformed back; what that interpolation fades is
divided out (gridding: O'Sullivan, IEEE Trans. Med. Imaging 4, 200 (1985)).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, pi
from typing import Self

import torch
from numpy.typing import ArrayLike
from scipy.fft import next_fast_len
from torch import Tensor

from pann.core.geometry import rotation_matrices
from pann.refiner.lattices.spectrum import FINEST, padded_length

FINER = 1.5
"""Points of the grid of Fourier space along an axis, per component of a spectrum, and of images per pixel."""


@dataclass(frozen=True)
class Box:
    """A coarse grid over a volume and its rim, whose Fourier components are those of its `Spectrum`.

    Attributes
    ----------
    first : position [Å] of its first voxel along each axis, which is the first of the volume.
    spacing : [Å] along each axis.
    shape : voxels.
    reach : components along each axis that are of periods above `FINEST`.
    """

    first: tuple[float, ...]
    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    reach: tuple[int, ...]

    @classmethod
    def of(cls, size: Sequence[int], voxel_size: float) -> Self:
        """That of a volume of `size` (3,) and `voxel_size` [Å]."""
        lengths = [padded_length(n) * voxel_size for n in size]
        reach = tuple(floor(length / FINEST) for length in lengths)
        shape = tuple(int(next_fast_len(2 * m + 2)) for m in reach)
        spacing = tuple(length / n for length, n in zip(lengths, shape, strict=True))
        return cls(tuple(-(n // 2) * voxel_size for n in size), spacing, shape, reach)

    def axes(self, device: torch.device | None = None) -> list[Tensor]:
        """Coordinates [Å] of its voxels along x, y and z."""
        return [
            first + spacing * torch.arange(n, device=device)
            for first, spacing, n in zip(self.first, self.spacing, self.shape, strict=True)
        ]

    def components(self, values: Tensor) -> Tensor:
        """The Fourier components of `values` on this grid, laid out as those of a `Spectrum`."""
        mx, my, mz = self.reach
        return torch.fft.rfftn(values).roll((mx, my), (0, 1))[: 2 * mx + 1, : 2 * my + 1, : mz + 1]

    def at(self, values: Tensor, axes: Sequence[Tensor]) -> Tensor:
        """`values` on this grid, linearly interpolated to a grid whose points lie at `axes` [Å] along x, y and z."""
        hats = []
        for places, first, spacing, n in zip(axes, self.first, self.spacing, self.shape, strict=True):
            index = ((places - first) / spacing).clamp(0, n - 1)
            hats.append((1 - (index[:, None] - torch.arange(n, device=values.device)).abs()).clamp(min=0))
        return torch.einsum("xyz,ax,by,cz->abc", values, *hats)

    def taken(self, values: Tensor, shape: tuple[int, int, int]) -> Tensor:
        """Smooth `values` (nx, ny, nz) of the volume, padded to `shape`, on this grid."""
        whole = torch.fft.rfftn(values, shape)
        out = torch.zeros((*self.shape[:2], self.shape[2] // 2 + 1), dtype=whole.dtype, device=values.device)
        mx, my, mz = self.reach
        for x in (slice(0, mx + 1), slice(-mx, None)):
            for y in (slice(0, my + 1), slice(-my, None)):
                out[x, y, : mz + 1] = whole[x, y, : mz + 1]
        scale = torch.tensor(self.shape).prod() / torch.tensor(shape).prod()
        return torch.fft.irfftn(out, self.shape) * float(scale)


def back_projected(images: Tensor, angles: ArrayLike, pixel_size: float, box: Box) -> Tensor:
    """The sum over all tilts of each image, spread along its beam, in the voxels of `box`; complex as the images are.

    Only components of periods above `FINEST` are kept. Two real series travel together as real and imaginary part.

    Parameters
    ----------
    images : (n_tilts, nu, nv) complex.
    angles : (n_tilts, 3) Euler angles [deg].
    pixel_size : [Å].
    """
    device = images.device
    planes, points = _transforms(images, pixel_size)
    turns = torch.tensor(rotation_matrices(angles)[:, :2], dtype=torch.float32, device=device)
    finer = [int(next_fast_len(ceil(FINER * n))) for n in box.shape]
    lengths = [n * spacing for n, spacing in zip(finer, box.spacing, strict=True)]
    grid = torch.zeros(finer, dtype=images.dtype, device=device)
    for plane, turn in zip(planes, turns, strict=True):
        _spread(grid, plane, points @ turn * torch.tensor(lengths, device=device))
    before = [(n - kept) // 2 for n, kept in zip(finer, box.shape, strict=True)]
    for axis, (length, skipped) in enumerate(zip(lengths, before, strict=True)):
        frequencies = torch.fft.fftfreq(finer[axis], device=device) * (finer[axis] / length)
        start = box.first[axis] - skipped * box.spacing[axis]
        grid *= along(axis, wave(frequencies * start))
    whole = torch.fft.ifftn(grid) * grid.numel()
    kept = whole[tuple(slice(skipped, skipped + n) for skipped, n in zip(before, box.shape, strict=True))]
    for axis, (length, places) in enumerate(zip(lengths, box.axes(device), strict=True)):
        kept = kept / along(axis, torch.sinc(places / length) ** 2)
    return kept


def _transforms(images: Tensor, pixel_size: float) -> tuple[Tensor, Tensor]:
    """The transforms (n_tilts, n) of the images, about their centres, and where (n, 2) [1/Å] they are taken."""
    sizes = [int(next_fast_len(ceil(FINER * n))) for n in images.shape[1:]]
    frequencies = [torch.fft.fftfreq(n, device=images.device) for n in sizes]
    planes = torch.fft.fft2(images, sizes, norm="forward")  # each image is the sum of its waves
    for axis, (along, n) in enumerate(zip(frequencies, images.shape[1:], strict=True)):
        planes = planes * wave(along * (n // 2)).view(-1, *[1] * (1 - axis))
    u, v = torch.meshgrid(*frequencies, indexing="ij")
    points = torch.stack([u, v], dim=-1) / pixel_size
    near = points.norm(dim=-1) < 1 / FINEST
    return planes[:, near], points[near]


def _spread(grid: Tensor, values: Tensor, places: Tensor) -> None:
    """Add complex `values` (n,) to the eight points of `grid` about each of `places` (n, 3); it is periodic."""
    low = places.floor()
    share = places - low
    corner = low.long()
    shape = torch.tensor(grid.shape, device=grid.device)
    for k in range(8):
        side = torch.tensor([k & 1, k >> 1 & 1, k >> 2 & 1], device=grid.device)
        weight = torch.where(side.bool(), share, 1 - share).prod(dim=-1)
        x, y, z = ((corner + side) % shape).unbind(-1)
        grid.view(-1).index_add_(0, (x * shape[1] + y) * shape[2] + z, values * weight)


def wave(turns: Tensor) -> Tensor:
    """exp(2πi `turns`)."""
    return torch.polar(torch.ones_like(turns), 2 * pi * turns)


def along(axis: int, values: Tensor) -> Tensor:
    """`values` (n,) as (n, 1, 1), (1, n, 1) or (1, 1, n)."""
    return values.view([-1 if k == axis else 1 for k in range(3)])
