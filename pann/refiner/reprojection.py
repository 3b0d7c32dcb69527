"""Does a refined density explain the counts? The Poisson deviance through the projector, differentiable."""

import torch
from torch import Tensor

from pann.core import PointSpread
from pann.refiner.example import Example
from pann.tomography import make_projector

FLOOR = 1e-3
"""Smallest expected count of a pixel; keeps the logarithm finite where the model is empty."""


def border_level(counts: Tensor, width: int = 3) -> Tensor:
    """Background (n_tilts, 1, 1): mean of the frame of `width` pixels around each image."""
    inner = counts[:, width:-width, width:-width]
    n = counts[0].numel() - inner[0].numel()
    return ((counts.sum((1, 2)) - inner.sum((1, 2))) / n)[:, None, None]


def reprojection_deviance(
    density: Tensor, example: Example, psf: PointSpread | None = None, tilts: slice = slice(None)
) -> Tensor:
    """Poisson deviance per pixel between the images of `example` and the projections of a normalised `density`.

    2 / N Σ [y ln(y / μ) − (y − μ)] with μ = g_t A(density) + b_t: the background b_t comes from the border of the
    images and the gain g_t from the balance of counts, since the network knows neither.

    Parameters
    ----------
    density : (nx, ny, nz) on the grid of `example.values`; gradients flow to it.
    example : the sample.
    psf : blur of the images beyond the width of the atoms in `density`; None for none.
    tilts : which images to use.
    """
    angles = example.angles[tilts]
    counts = torch.tensor(example.images[tilts], dtype=torch.float32, device=density.device)
    nx, ny, nz = density.shape
    projector = make_projector(
        angles,
        (nx, ny, nz),
        (counts.shape[1], counts.shape[2]),
        pixel_size=example.pixel_size,
        voxel_size=example.voxel_size,
        psf=psf,
    )
    level = border_level(counts)
    shape = projector.forward(density.float())
    gain = (counts - level).sum((1, 2), keepdim=True).clamp(min=1.0) / shape.sum((1, 2), keepdim=True).clamp(min=FLOOR)
    expected = (gain * shape + level).clamp(min=FLOOR)
    best = torch.xlogy(counts, counts) - counts  # apart: the gradient of xlogy(0, 0 / μ) is not a number
    return 2 * (best - (counts * expected.log() - expected)).mean()
