"""Sums of Gaussian atoms in a stack of images, with exact first derivatives.

The profile is the value of the Gaussian at the centre of the pixel times the pixel area, not its integral over the
pixel: a scanned probe samples the image at points, and whatever blur the pixel adds is part of the fitted width. It
adds up to one over the pixels to better than 1e-4 for widths above 0.7 pixels.

All lengths here are pixels. `Renderer` is linearised about fixed atom positions: it renders, pushes small changes of
the atoms forward to the images (`jvp`) and pulls images back to the atoms (`vjp`, the transpose).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from pann.fitting.tiles import Chunk, Tiling, build_tiling

CUTOFF = 4.5
"""Half width of the rendered square in units of sigma: the profile is 4e-5 of its peak there."""
CACHE_ELEMENTS = 300_000_000
"""Profile values that may be kept between calls (1.2 GB in float32, twice while a step is tried): 20,000 atoms in 60
images have 105 million. Larger fits compute them again, which makes a pass three times as slow or more."""
NEGLIGIBLE = 1e-12
"""Smaller values of a profile are set to zero: products of denormal numbers are many times slower on some CPUs."""
FAR_AWAY = -1.0e3
"""Position [pixels] of the filler atom, whose profile is exactly zero in every tile."""


def gaussian_profile(distance: Tensor, variance: Tensor) -> Tensor:
    """One-dimensional Gaussian of unit sum and `variance` [pixels²] at `distance` [pixels] from its centre."""
    values = torch.exp(distance * distance * (-0.5 / variance)) * (2 * pi * variance).rsqrt()
    return torch.nn.functional.threshold(values, NEGLIGIBLE, 0.0)


@dataclass(frozen=True)
class Profiles:
    """Profiles of the atoms of one chunk along both axes of its tiles.

    Attributes
    ----------
    centre : (g, m, 2) of the atoms in their tiles [pixels].
    x, y : (g, m, width) Gaussian at the offsets.
    """

    centre: Tensor
    x: Tensor
    y: Tensor

    @property
    def offset_x(self) -> Tensor:
        """Pixel centre minus atom centre (g, m, width) [pixels]; cheaper to compute again than to keep."""
        return self._offset(0)

    @property
    def offset_y(self) -> Tensor:
        """As `offset_x`."""
        return self._offset(1)

    def _offset(self, axis: int) -> Tensor:
        pixel = torch.arange(self.x.shape[-1], dtype=self.x.dtype, device=self.x.device)
        return pixel - self.centre[..., axis, None]


class Renderer:
    """Gaussian atoms at fixed centres.

    Parameters
    ----------
    centres : (n_tilts, n_atoms, 2) float64, position of every atom in every image [pixels]; pixel 0 is centred on 0.
    sigma : standard deviation [pixels] of all atoms, or (n_atoms,) of each.
    shape : (nx, ny) of the images.
    dtype : of the profiles and images; float32 is enough for likelihoods, float64 serves the tests.
    width : side of a tile [pixels]; the fastest for images by default.
    cache : whether to keep the profiles, where they are few enough.
    """

    def __init__(
        self,
        centres: Tensor,
        sigma: float | Tensor,
        shape: tuple[int, int],
        dtype: torch.dtype = torch.float32,
        width: int | None = None,
        cache: bool = True,
    ) -> None:
        widths = torch.as_tensor(sigma, dtype=torch.float64, device=centres.device)
        self.variance = (widths**2).expand(centres.shape[1])
        """Of the profile of each atom, (n_atoms,) [pixels²]."""
        self.shape = shape
        self.dtype = dtype
        self.n_tilts, self.n_atoms = centres.shape[:2]
        self.tiling: Tiling = build_tiling(centres, CUTOFF * float(widths.max()), shape, width)
        filler = centres.new_full((1, 2), FAR_AWAY)
        self._centres = torch.cat([centres.reshape(-1, 2), filler])
        self._variances = torch.cat([self.variance.repeat(self.n_tilts), self.variance.new_ones(1)])
        stored = 2 * sum(chunk.sites.numel() for chunk in self.tiling.chunks) * self.tiling.width
        self._cache: list[Profiles] | None = None
        if cache and stored <= CACHE_ELEMENTS:
            self._cache = [self.profiles(chunk) for chunk in self.tiling.chunks]

    def variances(self, chunk: Chunk, blur: float = 0.0) -> Tensor:
        """Variance (g, m) [pixels²] of the profiles of the atoms of `chunk`, blurred by `blur` [pixels]."""
        return (self._variances[chunk.sites] + blur**2).to(self.dtype)

    def profiles(self, chunk: Chunk, blur: float = 0.0) -> Profiles:
        """Profiles of the atoms of `chunk`, blurred by `blur` [pixels]."""
        tiling, variance = self.tiling, self.variances(chunk, blur)[..., None]
        column = torch.div(chunk.tiles, tiling.grid[2], rounding_mode="floor") % tiling.grid[1]
        origin = torch.stack([column, chunk.tiles % tiling.grid[2]], dim=-1) * tiling.width
        # the difference of large numbers is taken in float64
        local = (self._centres[chunk.sites] - origin[:, None]).to(self.dtype)
        pixel = torch.arange(tiling.width, dtype=self.dtype, device=local.device)
        along_x, along_y = (gaussian_profile(pixel - local[..., axis, None], variance) for axis in (0, 1))
        return Profiles(local, along_x, along_y)

    def chunks(self) -> Iterator[tuple[Chunk, Profiles]]:
        """Every chunk with its profiles."""
        for k, chunk in enumerate(self.tiling.chunks):
            yield chunk, self._cache[k] if self._cache is not None else self.profiles(chunk)

    def listed(self, values: Tensor) -> Tensor:
        """Values (n_tilts, n_atoms) as a flat list in the renderer's precision, with a zero for the filler atom."""
        return torch.cat([values.reshape(-1), values.new_zeros(1)]).to(self.dtype)

    def _blank(self) -> Tensor:
        t, gx, gy = self.tiling.grid
        width = self.tiling.width
        return torch.zeros(t * gx * gy, width, width, dtype=self.dtype, device=self._centres.device)

    def render(self, amplitude: Tensor) -> Tensor:
        """Images (n_tilts, nx, ny) of atoms whose integrated intensity is `amplitude` (n_tilts, n_atoms)."""
        weights, tiles = self.listed(amplitude), self._blank()
        for chunk, p in self.chunks():
            tiles[chunk.tiles] = torch.bmm((p.x * weights[chunk.sites][..., None]).transpose(1, 2), p.y)
        return self.tiling.join(tiles, self.shape)

    def jvp(
        self,
        amplitude: Tensor,
        shift: Tensor | None = None,
        d_amplitude: Tensor | None = None,
        widen: Tensor | None = None,
    ) -> Tensor:
        """Change of the images to first order.

        Parameters
        ----------
        amplitude : (n_tilts, n_atoms), as in `render`.
        shift : (n_tilts, n_atoms, 2) change of the centres [pixels].
        d_amplitude : (n_tilts, n_atoms) change of the amplitudes.
        widen : (n_atoms,) relative change of the widths.
        """
        variance, tiles = self.variance, self._blank()
        zero = self.listed(torch.zeros_like(amplitude))
        shift_x = zero if shift is None else self.listed(amplitude * shift[..., 0] / variance)
        shift_y = zero if shift is None else self.listed(amplitude * shift[..., 1] / variance)
        change = zero if d_amplitude is None else self.listed(d_amplitude)
        spread = zero if widen is None else self.listed(amplitude * widen / variance)
        if widen is not None:
            change = change - 2 * self.listed(amplitude * widen)
        for chunk, p in self.chunks():
            sites = chunk.sites
            offset_x, offset_y = p.offset_x, p.offset_y
            along_x, along_y = shift_x[sites][..., None] * offset_x, shift_y[sites][..., None] * offset_y
            if widen is not None:
                wider = spread[sites][..., None]
                along_x = along_x + wider * offset_x**2
                along_y = along_y + wider * offset_y**2
            left = torch.cat([(along_x + change[sites][..., None]) * p.x, p.x], dim=1)
            right = torch.cat([p.y, along_y * p.y], dim=1)
            tiles[chunk.tiles] = torch.bmm(left.transpose(1, 2), right)
        return self.tiling.join(tiles, self.shape)

    def vjp(self, amplitude: Tensor, images: Tensor, with_width: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Transpose of `jvp`: the gradient of <`images`, render> by centres, amplitudes and width.

        Returns
        -------
        by_centre : (n_tilts, n_atoms, 2) float64 [1/pixel].
        by_amplitude : (n_tilts, n_atoms) float64.
        by_width : (n_atoms,) float64, by the logarithm of the widths; zero unless `with_width`.
        """
        tiles = self.tiling.split(images.to(self.dtype))
        sums = torch.zeros(self.tiling.n_sites + 1, 4, dtype=torch.float64, device=tiles.device)
        for chunk, p in self.chunks():
            tile = tiles[chunk.tiles]
            seen_x = torch.bmm(p.y, tile.transpose(1, 2)) * p.x
            seen_y = torch.bmm(p.x, tile) * p.y
            offset_x, offset_y = p.offset_x, p.offset_y
            weighted_x = seen_x * offset_x
            weighted_y = seen_y * offset_y
            moments = [seen_x.sum(-1), weighted_x.sum(-1), weighted_y.sum(-1)]
            if with_width:
                moments.append((weighted_x * offset_x).sum(-1) + (weighted_y * offset_y).sum(-1))
            else:
                moments.append(torch.zeros_like(moments[0]))
            sums.index_add_(0, chunk.sites.reshape(-1), torch.stack(moments, -1).reshape(-1, 4).double())
        by_site = sums[:-1].reshape(self.n_tilts, self.n_atoms, 4)
        weights = amplitude.double()
        by_centre = weights[..., None] * by_site[..., 1:3] / self.variance[:, None]
        by_width = torch.zeros_like(self.variance)
        if with_width:
            by_width = (weights * (by_site[..., 3] / self.variance - 2 * by_site[..., 0])).sum(0)
        return by_centre, by_site[..., 0], by_width

    def information(self, images: Tensor, blurs: tuple[float, ...], weights: tuple[float, ...]) -> Tensor:
        """Fisher information of each atom in each image, for unit amplitude.

        With D = (∂/∂x, ∂/∂y, 1) p of the profile p of an atom, a sum of blurred cores, and the inverse variance
        `images` of the pixels, this is Σ_pixels images · D Dᵀ, taken over the tiles that the atom's core touches:
        beyond them the slope of a halo adds less than 1e-3.

        Parameters
        ----------
        images : (n_tilts, nx, ny) inverse variance of every pixel.
        blurs, weights : the Gaussians of the profile, each a blur [pixels] of the core, and their shares.

        Returns
        -------
        (n_tilts, n_atoms, 3, 3) float64.
        """
        tiles = self.tiling.split(images.to(self.dtype))
        sums = torch.zeros(self.tiling.n_sites + 1, 6, dtype=torch.float64, device=tiles.device)
        for chunk, core in self.chunks():
            tile = tiles[chunk.tiles].transpose(1, 2)
            parts = [core if blur == 0 else self.profiles(chunk, blur) for blur in blurs]
            precisions = [1 / self.variances(chunk, blur) for blur in blurs]
            total = torch.zeros(*chunk.sites.shape, 6, dtype=self.dtype, device=tiles.device)
            for p, by_p, weight_p in zip(parts, precisions, weights, strict=True):
                for q, by_q, weight_q in zip(parts, precisions, weights, strict=True):
                    total += (weight_p * weight_q) * _moments(p, by_p, q, by_q, tile)
            sums.index_add_(0, chunk.sites.reshape(-1), total.reshape(-1, 6).double())
        xx, xy, yy, xa, ya, aa = sums[:-1].reshape(self.n_tilts, self.n_atoms, 6).unbind(-1)
        rows = [torch.stack(row, -1) for row in ((xx, xy, xa), (xy, yy, ya), (xa, ya, aa))]
        return torch.stack(rows, -2)


def _moments(p: Profiles, by_p: Tensor, q: Profiles, by_q: Tensor, tile: Tensor) -> Tensor:
    """Σ tile · D_p D_qᵀ, the six entries xx, xy, yy, xa, ya, aa of its symmetric part, (g, m, 6).

    The inverse variances of the two profiles are `by_p` and `by_q`, (g, m).
    """
    x, y = p.x * q.x, p.y * q.y
    offset_x, offset_y = p.offset_x, p.offset_y
    both_x, both_y = offset_x * x, offset_y * y
    plain = torch.bmm(y, tile)
    sloped = torch.bmm(both_y, tile)
    curved = torch.bmm(both_y * offset_y, tile)
    mean = (by_p + by_q) / 2
    entries = [
        (by_p * by_q) * (both_x * offset_x * plain).sum(-1),
        (by_p * by_q) * (both_x * sloped).sum(-1),
        (by_p * by_q) * (x * curved).sum(-1),
        mean * (both_x * plain).sum(-1),
        mean * (x * sloped).sum(-1),
        (x * plain).sum(-1),
    ]
    return torch.stack(entries, -1)
