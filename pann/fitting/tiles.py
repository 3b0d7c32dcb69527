"""Which atoms touch which square of pixels.

An image of separable Gaussians is a matrix product: image[x, y] = Σᵢ aᵢ Aᵢ(x) Bᵢ(y). Over the whole image that product
wastes its time on zeros; over small square tiles, each with the few atoms that reach it, it is sparse *and* runs at the
speed of a matrix product, several times that of scattering windows of pixels one by one. This module makes the lists.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import torch
from torch import Tensor

CHUNK_ELEMENTS = 300_000
"""Profile values of one axis (tiles × atoms × tile width) that one chunk may hold: the temporaries of a pass (about
1 MB each) then stay in the cache of the processor, which is a third faster than chunks three times as large."""


@dataclass(frozen=True)
class Chunk:
    """Some tiles, with lists of atoms of equal length.

    Attributes
    ----------
    tiles : (g,) index of each tile in the flattened (n_tilts, tiles along x, tiles along y) grid.
    sites : (g, m) index tilt · n_atoms + atom of every atom that touches the tile; n_tilts · n_atoms fills short lists.
    """

    tiles: Tensor
    sites: Tensor


@dataclass(frozen=True)
class Tiling:
    """All chunks of a stack of images.

    Attributes
    ----------
    chunks : the occupied tiles.
    grid : (n_tilts, tiles along x, tiles along y).
    width : pixels along one side of a tile.
    n_sites : n_tilts · n_atoms.
    """

    chunks: tuple[Chunk, ...]
    grid: tuple[int, int, int]
    width: int
    n_sites: int

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        """Places in the flattened lists of all chunks, ordered by site, and where each site begins in that order."""
        ordered, order = torch.sort(torch.cat([chunk.sites.reshape(-1) for chunk in self.chunks]))
        starts = torch.searchsorted(ordered, torch.arange(self.n_sites + 1, device=order.device))
        return order[: int(starts[-1])].int(), starts.int()

    def sum_by_site(self, values: list[Tensor]) -> Tensor:
        """Sums (n_sites, k) of values (p, k) over the tiles that a site touches; p counts the lists of all chunks."""
        listed = torch.cat(values)
        if not len(listed):
            return listed.new_zeros(self.n_sites, listed.shape[1])
        order, starts = self._places
        # much faster than `index_add_`, which jumps about in memory for every tile
        return torch.nn.functional.embedding_bag(order, listed, starts, mode="sum", include_last_offset=True)

    @property
    def field(self) -> tuple[int, int]:
        """(nx, ny) of an image, rounded up to whole tiles."""
        return self.grid[1] * self.width, self.grid[2] * self.width

    def split(self, images: Tensor) -> Tensor:
        """Tiles (n_tiles, width, width) of `images` (n_tilts, nx, ny); pixels beyond the image are zero."""
        nx, ny = images.shape[1:]
        full_x, full_y = self.field
        padded = torch.nn.functional.pad(images, (0, full_y - ny, 0, full_x - nx))
        t, gx, gy = self.grid
        return padded.reshape(t, gx, self.width, gy, self.width).transpose(2, 3).reshape(-1, self.width, self.width)

    def join(self, tiles: Tensor, shape: tuple[int, int]) -> Tensor:
        """Images (n_tilts, nx, ny) of `shape` (nx, ny): the inverse of `split`."""
        t, gx, gy = self.grid
        images = tiles.reshape(t, gx, gy, self.width, self.width).transpose(2, 3).reshape(t, *self.field)
        return images[:, : shape[0], : shape[1]]


def tile_width(radius: float) -> int:
    """Side of a tile [pixels] for atoms of `radius` [pixels]: a multiple of 8, about three radii.

    Smaller tiles repeat the profile of an atom in more tiles, larger ones multiply more zeros; the minimum is flat.
    """
    return min(max(8 * round(3 * radius / 8), 16), 64)


def build_tiling(centres: Tensor, radius: float, shape: tuple[int, int], width: int | None = None) -> Tiling:
    """Lists of the atoms within `radius` [pixels] of each tile.

    Parameters
    ----------
    centres : (n_tilts, n_atoms, 2) position of every atom in every image [pixels].
    radius : half the side of the square that an atom covers [pixels].
    shape : (nx, ny) of the images.
    width : side of a tile [pixels]; from the radius by default.
    """
    width = tile_width(radius) if width is None else width
    n_tilts, n_atoms, _ = centres.shape
    counts = (ceil(shape[0] / width), ceil(shape[1] / width))
    last = torch.tensor(counts, device=centres.device) - 1
    # pixel i covers [i - 1/2, i + 1/2), so tile k begins at k · width - 1/2
    low = torch.floor((centres - radius + 0.5) / width).long().clamp_(min=0)
    high = torch.minimum(torch.floor((centres + radius + 0.5) / width).long(), last)
    site = torch.arange(n_tilts * n_atoms, device=centres.device).reshape(n_tilts, n_atoms)
    tilt = torch.arange(n_tilts, device=centres.device)[:, None]
    tiles, sites = [], []
    span = ceil(2 * radius / width) + 1
    for i in range(span):
        for j in range(span):
            x, y = low[..., 0] + i, low[..., 1] + j
            inside = (x <= high[..., 0]) & (y <= high[..., 1])
            tiles.append(((tilt * counts[0] + x) * counts[1] + y)[inside])
            sites.append(site[inside])
    grid = (n_tilts, *counts)
    return Tiling(_chunks(torch.cat(tiles), torch.cat(sites), n_tilts * n_atoms, width), grid, width, n_tilts * n_atoms)


def _chunks(tiles: Tensor, sites: Tensor, filler: int, width: int) -> tuple[Chunk, ...]:
    """Group pairs (tile, site) by tile, and tiles of like occupation into chunks, fullest first."""
    tiles, order = torch.sort(tiles, stable=True)
    sites = sites[order]
    occupied, counts = torch.unique_consecutive(tiles, return_counts=True)
    starts = torch.cumsum(counts, 0) - counts
    counts, rank = torch.sort(counts, descending=True, stable=True)
    occupied, starts = occupied[rank], starts[rank]
    sizes = counts.tolist()
    chunks, begin = [], 0
    while begin < len(sizes):
        longest = sizes[begin]
        room = max(1, CHUNK_ELEMENTS // (longest * width))
        end = begin
        # lists shorter than half the longest wait for the next chunk, so that padding never doubles the work
        while end < len(sizes) and end - begin < room and 2 * sizes[end] >= longest:
            end += 1
        slot = torch.arange(longest, device=sites.device)
        index = starts[begin:end, None] + slot
        filled = slot < counts[begin:end, None]
        listed = torch.where(filled, sites[index.clamp(max=len(sites) - 1)], filler)
        chunks.append(Chunk(occupied[begin:end], listed))
        begin = end
    return tuple(chunks)
