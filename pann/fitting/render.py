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
images have 105 million. Larger fits compute them again, which makes a pass twice as slow."""
NEGLIGIBLE = 1e-12
"""Smaller values of a profile are set to zero: products of denormal numbers are many times slower on some CPUs."""
LEAST_EXPONENT = -80.0
"""What lies below counts as this, so that no exponential is denormal in float32: those are seven times slower."""
FAR_AWAY = -1.0e3
"""Position [pixels] of the filler atom, whose profile is exactly zero in every tile."""


def gaussian_profile(distance: Tensor, variance: Tensor) -> Tensor:
    """One-dimensional Gaussian of unit sum and `variance` [pixels²] at `distance` [pixels] from its centre."""
    exponent = distance.square().mul_(-0.5 / variance).clamp_(min=LEAST_EXPONENT)
    return torch.nn.functional.threshold(exponent.exp_().mul_((2 * pi * variance).rsqrt()), NEGLIGIBLE, 0.0)


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

    def moments_x(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums (g, m) over the last axis of `values` (g, m, width), times the offset to the power 0, 1 and 2."""
        return self._moments(0, values)

    def moments_y(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `moments_x`."""
        return self._moments(1, values)

    def _pixels(self) -> Tensor:
        return torch.arange(self.x.shape[-1], dtype=self.x.dtype, device=self.x.device)

    def _offset(self, axis: int) -> Tensor:
        return self._pixels() - self.centre[..., axis, None]

    def _moments(self, axis: int, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # one product with the powers of the pixel, counted from the middle of the tile where rounding is least, and the
        # shift to the atom's centre: several times faster than the offsets of every atom and three short sums
        middle = (self.x.shape[-1] - 1) / 2
        pixel = self._pixels() - middle
        zeroth, first, second = (values @ torch.stack([pixel**0, pixel, pixel**2], 1)).unbind(-1)
        centre = self.centre[..., axis] - middle
        return zeroth, first - centre * zeroth, second - centre * (2 * first - centre * zeroth)


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
            along_x, along_y = p.offset_x, p.offset_y
            if widen is not None:
                wider = spread[sites][..., None]
                along_x = (wider * along_x).add_(shift_x[sites][..., None]).mul_(along_x)
                along_y = (wider * along_y).add_(shift_y[sites][..., None]).mul_(along_y)
            else:
                along_x *= shift_x[sites][..., None]
                along_y *= shift_y[sites][..., None]
            along_x = along_x.add_(change[sites][..., None]).mul_(p.x)
            tile = torch.bmm(along_x.transpose(1, 2), p.y)
            tiles[chunk.tiles] = tile.baddbmm_(p.x.transpose(1, 2), along_y.mul_(p.y))
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
        moments = [tiles.new_zeros(0, 4)]
        for chunk, p in self.chunks():
            tile = tiles[chunk.tiles]
            x = p.moments_x(torch.bmm(p.y, tile.transpose(1, 2)).mul_(p.x))
            y = p.moments_y(torch.bmm(p.x, tile).mul_(p.y))
            moments.append(torch.stack([x[0], x[1], y[1], x[2] + y[2]], -1).reshape(-1, 4))
        by_site = self.tiling.sum_by_site(moments).double().reshape(self.n_tilts, self.n_atoms, 4)
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
        moments = [tiles.new_zeros(0, 6)]
        for chunk, core in self.chunks():
            tile = tiles[chunk.tiles].transpose(1, 2)
            parts = [core if blur == 0 else self.profiles(chunk, blur) for blur in blurs]
            precisions = [1 / self.variances(chunk, blur) for blur in blurs]
            total = torch.zeros(*chunk.sites.shape, 6, dtype=self.dtype, device=tiles.device)
            for p, by_p, weight_p in zip(parts, precisions, weights, strict=True):
                for q, by_q, weight_q in zip(parts, precisions, weights, strict=True):
                    total += (weight_p * weight_q) * _moments(p, by_p, q, by_q, tile)
            moments.append(total.reshape(-1, 6))
        sums = self.tiling.sum_by_site(moments).double()
        xx, xy, yy, xa, ya, aa = sums.reshape(self.n_tilts, self.n_atoms, 6).unbind(-1)
        rows = [torch.stack(row, -1) for row in ((xx, xy, xa), (xy, yy, ya), (xa, ya, aa))]
        return torch.stack(rows, -2)


def _moments(p: Profiles, by_p: Tensor, q: Profiles, by_q: Tensor, tile: Tensor) -> Tensor:
    """Σ tile · D_p D_qᵀ, the six entries xx, xy, yy, xa, ya, aa of its symmetric part, (g, m, 6).

    The inverse variances of the two profiles are `by_p` and `by_q`, (g, m).
    """
    x, y = p.x * q.x, p.y * q.y
    sloped_y = p.offset_y.mul_(y)
    plain, by_x, by_xx = p.moments_x(torch.bmm(y, tile).mul_(x))
    sloped, both, _ = p.moments_x(torch.bmm(sloped_y, tile).mul_(x))
    curved = p.moments_x(torch.bmm(sloped_y.mul_(p.offset_y), tile).mul_(x))[0]
    product, mean = by_p * by_q, (by_p + by_q) / 2
    return torch.stack([product * by_xx, product * both, product * curved, mean * by_x, mean * sloped, plain], -1)
