"""Images as sums of Gaussians, in torch."""

from math import sqrt

import torch
from torch import Tensor

from pann.core.geometry import pixel_coordinates

_CHUNK_VALUES = {"cpu": 1_000_000, "cuda": 200_000_000}
"""Most values of one block of Gaussians: 4 MB stay in the cache of a core, 0.8 GB keep a GPU busy."""


def splat_gaussians(
    points: Tensor, sigmas: Tensor, masses: Tensor, image_shape: tuple[int, int], pixel_size: float
) -> Tensor:
    """Sum of Gaussians sampled at the centres of pixels; differentiable in every tensor.

    A Gaussian is separable, so an image is a product of two matrices of one-dimensional profiles.

    Parameters
    ----------
    points : (n_images, n_atoms, 2) centres [Å]; zero is the pixel n // 2.
    sigmas : (n_atoms, k) [Å], or (n_images, n_atoms, k).
    masses : as `sigmas`, the integral of each Gaussian over the plane, in values times Å².
    image_shape : (nx, ny).
    pixel_size : [Å].

    Returns
    -------
    (n_images, nx, ny).
    """
    n_images, n_atoms, _ = points.shape
    k = sigmas.shape[-1]
    coordinates = [torch.as_tensor(pixel_coordinates(n, pixel_size)).to(points) for n in image_shape]
    widths = sigmas.to(points).expand(n_images, n_atoms, k)
    heights = masses.to(points).expand(n_images, n_atoms, k) / (2 * torch.pi * widths**2)
    scale = 1 / (sqrt(2) * widths)
    rows = max(1, _CHUNK_VALUES.get(points.device.type, 1_000_000) // max(1, n_atoms * k * sum(image_shape)))
    images = []
    for first in range(0, n_images, rows):
        block = slice(first, first + rows)
        along_x, along_y = (
            _profile(axis, points[block, :, None, i, None], scale[block, :, :, None]).flatten(1, 2)
            for i, axis in enumerate(coordinates)
        )
        images.append((along_x * heights[block].flatten(1)[..., None]).transpose(1, 2) @ along_y)
    return torch.cat(images)


def _profile(axis: Tensor, centres: Tensor, scale: Tensor) -> Tensor:
    """exp(-((axis - centre) scale)²), (..., n_pixels), never below e⁻⁴⁰: denormal numbers are five times slower."""
    return ((axis - centres) * scale).square().neg().clamp(min=-40).exp()
