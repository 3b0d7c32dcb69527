"""What the network is told about how a series was taken."""

from math import log2, log10

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from pann.core import TiltSeries

N_ACQUISITION = 6
"""Length of `acquisition_vector`."""
LOWER = np.array([0.3, -2.0, -1.5, 0.05, -1.5, 0.0])
UPPER = np.array([1.0, 1.5, 4.5, 1.0, 1.0, 3.0])
"""Range of each number in the training data, with room; they are clipped to it, as nothing was learnt beyond."""


def acquisition_vector(series: TiltSeries, pooled_voxel: float) -> NDArray[np.float32]:
    """The acquisition as numbers of order one, (N_ACQUISITION,).

    They are: the largest tilt / 90°; log2 of the number of tilts / 41; log10 of the counts per Å² where the object is
    (`counts_per_area`); the mean tilt step / 10°; log2 of the pixel size / 0.4 Å; log2 of `pooled_voxel` / 0.8 Å, the
    voxel [Å] of the pooled volume.
    """
    theta = np.sort(series.angles[:, 1])
    step = (theta[-1] - theta[0]) / max(series.n_tilts - 1, 1)
    values = [
        float(np.abs(theta).max()) / 90,
        log2(series.n_tilts / 41),
        log10(max(counts_per_area(series), 1e-6)),
        step / 10,
        log2(series.pixel_size / 0.4),
        log2(pooled_voxel / 0.8),
    ]
    return np.clip(values, LOWER, UPPER).astype(np.float32)


def counts_per_area(series: TiltSeries) -> float:
    """Electrons per Å² of one image where the object is, a measure of the noise.

    For counts: the mean rate weighted by the rate itself, Σ(c² − c) / Σc per pixel, since E[c² − c] = λ² for Poisson
    counts. For processed images: the rate of a Poisson series of the same signal-to-noise ratio, signal² /
    variance, with the variance of the noise by Immerkær's Laplacian (Comput. Vis. Image Underst. 64, 300 (1996)).
    """
    images = series.images.astype(np.float64)
    if series.kind == "counts":
        rate = (images**2 - images).sum() / images.sum()
    else:
        laplacian = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)[None]
        noise = np.sqrt(np.pi / 2) * np.abs(convolve(images, laplacian)).mean() / 6
        signal = (images**2).sum() / max(np.abs(images).sum(), 1e-12)
        rate = (signal / max(noise, 1e-6 * signal)) ** 2
    return float(max(rate, 0.0) / series.pixel_size**2)
