"""From a tilt series to a volume, by any of the methods."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from pann.core.errors import ConfigError
from pann.core.psf import PointSpread
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.tomography.background import border_background
from pann.tomography.extent import extended_shape
from pann.tomography.least_squares import resire, sirt, weighted_back_projection
from pann.tomography.poisson import richardson_lucy
from pann.tomography.projector import make_projector

Method = Literal["auto", "poisson", "resire", "sirt", "wbp"]
TILTS_PER_SUBSET = 5
"""Fewer images in an ordered subset make its update too noisy to help."""


@dataclass(frozen=True)
class Reconstruction:
    """A volume and what the method found beside it.

    Attributes
    ----------
    volume : the density, cut to the field of view.
    background : (n_tilts,) image units per pixel, not part of the volume.
    outside : (n_tilts, nu, nv) images of what was reconstructed beyond the field, None unless extended.
    iterations : how many were run.
    statistic : deviance over its expectation for counts, else None.
    """

    volume: Volume
    background: NDArray[np.float64]
    outside: NDArray[np.float32] | None
    iterations: int
    statistic: float | None


def reconstruct(series: TiltSeries, method: Method = "auto", **options: object) -> Volume:
    """The volume of `reconstruct_details`, which see for the options."""
    return reconstruct_details(series, method, **options).volume  # type: ignore[arg-type]


def reconstruct_details(
    series: TiltSeries,
    method: Method = "auto",
    *,
    iterations: int = 60,
    psf: PointSpread | None = None,
    background: Literal["auto", "none"] | float = "auto",
    depth: float | None = None,
    extended: bool = False,
    stop_ratio: float | None = 1.0,
    stall: float | None = 0.002,
    min_iterations: int = 10,
    ordered_subsets: bool = True,
    fit_background: bool = False,
    support: NDArray[np.bool_] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Reconstruction:
    """Reconstruct a tilt series on a grid whose voxel is the image pixel.

    Parameters
    ----------
    series : the images.
    method : "poisson" (counts), "resire", "sirt", "wbp"; "auto" is poisson for counts and resire for intensities.
    iterations : largest number of passes (Poisson stops on its statistic before).
    psf : blur that the images carry and the volume shall not, None for none.
    background : "auto" (border of each image for counts, none for intensities), "none", or one value [image units].
    depth : size of the volume along the beam [Å]; as large as the field across the tilt axis unless given.
    extended : the object is wider than the field (a film): reconstruct what the tilted images see beside it, cut
        afterwards.
    stop_ratio, stall, min_iterations, fit_background : see `richardson_lucy`.
    ordered_subsets : several updates per pass over the images.
    support : (nx, ny, nz) bool on the returned grid; not together with `extended`.
    device : torch device.
    progress : show bars.

    Raises
    ------
    ConfigError : unknown method, negative values for "poisson", or a support of another shape.
    """
    if method not in get_args(Method):
        raise ConfigError(f"reconstruction.method is {method!r}: expected one of {', '.join(get_args(Method))}")
    chosen = ("poisson" if series.kind == "counts" else "resire") if method == "auto" else method
    level = _background(series, background)
    nx, ny = series.image_shape
    nz = nx if depth is None else max(1, round(depth / series.pixel_size))
    kept = (nx, ny, nz)
    shape = extended_shape(series.angles, kept) if extended else kept
    mask = _support(support, shape, extended, device)
    projector = make_projector(series.angles, shape, (nx, ny), pixel_size=series.pixel_size, psf=psf)
    images = torch.tensor(series.images, device=device)
    statistic: float | None = None
    if chosen == "poisson":
        if float(images.min()) < 0 and series.kind != "counts":
            images = images.clamp(min=0)
        result = richardson_lucy(
            images,
            projector,
            level,
            iterations=iterations,
            n_subsets=max(1, series.n_tilts // TILTS_PER_SUBSET) if ordered_subsets else 1,
            stop_ratio=stop_ratio if series.kind == "counts" else None,
            stall=stall if series.kind == "counts" else None,
            min_iterations=min_iterations,
            fit_background=fit_background,
            support=mask,
            progress=progress,
        )
        density, level, iterations = result.volume, result.background, result.iterations
        statistic = result.deviance_ratio if series.kind == "counts" else None
    else:
        net = images - torch.as_tensor(level, dtype=torch.float32, device=device)[:, None, None]
        if chosen == "resire":
            density = resire(net, projector, iterations=iterations, support=mask, progress=progress)
        elif chosen == "sirt":
            density = sirt(net, projector, iterations=iterations, support=mask, progress=progress)
        else:
            density, iterations = weighted_back_projection(net, projector), 1
    centre = _central(shape, kept)
    outside = None
    if extended:
        beyond = density.clone()
        beyond[centre] = 0
        outside = projector.forward(beyond).cpu().numpy()
    volume = Volume(density[centre].cpu().numpy(), series.pixel_size, name=series.name)
    return Reconstruction(volume, level, outside, iterations, statistic)


def _background(series: TiltSeries, choice: str | float) -> NDArray[np.float64]:
    if choice == "auto":
        return border_background(series) if series.kind == "counts" else np.zeros(series.n_tilts)
    if choice == "none":
        return np.zeros(series.n_tilts)
    try:
        return np.full(series.n_tilts, float(choice))
    except ValueError:
        raise ConfigError(f"reconstruction.background is {choice!r}: expected auto, none or a number") from None


def _support(
    support: NDArray[np.bool_] | None, shape: tuple[int, int, int], extended: bool, device: str
) -> torch.Tensor | None:
    if support is None:
        return None
    if extended or support.shape != shape:
        raise ConfigError(f"support has shape {support.shape}: expected {shape}, and no extended reconstruction")
    return torch.as_tensor(support, device=device)


def _central(shape: tuple[int, int, int], kept: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """The block of `kept` voxels whose centre voxel n // 2 is that of `shape`."""
    x, y, z = (slice(n // 2 - k // 2, n // 2 - k // 2 + k) for n, k in zip(shape, kept, strict=True))
    return x, y, z
