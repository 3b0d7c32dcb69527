"""Convolution of image stacks with a point spread function."""

import torch
from torch import Tensor

from pann.core.psf import PointSpread

TRUNCATION = 4.0
"""Gaussians are cut at this many standard deviations; 6e-5 of one lies outside."""


def gaussian_taps(sigma: float) -> Tensor:
    """Normalised samples (2 r + 1,) of a Gaussian of `sigma` [pixels]."""
    radius = max(1, int(TRUNCATION * sigma + 0.5))
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
    return (taps / taps.sum()).to(torch.float32)


def blur(images: Tensor, psf: PointSpread | None, pixel_size: float) -> Tensor:
    """Images (n, nu, nv) convolved with `psf`; zero outside the field.

    The kernels are even and the borders zero, so the operation is its own adjoint.
    """
    if psf is None:
        return images
    result = torch.zeros_like(images)
    for sigma, weight in zip(psf.sigmas, psf.weights, strict=True):
        taps = gaussian_taps(sigma / pixel_size).to(images)
        radius = len(taps) // 2
        blurred = images[:, None]
        blurred = torch.nn.functional.conv2d(blurred, taps[None, None, :, None], padding=(radius, 0))
        blurred = torch.nn.functional.conv2d(blurred, taps[None, None, None, :], padding=(0, radius))
        result = result + weight * blurred[:, 0]
    return result
