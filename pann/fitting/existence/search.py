"""Where atoms are missing: maxima of the score of an atom's profile in what the fit left over.

The score of an atom of intensity a at r is s(r) = Σ_t Σ_u (c/μ − 1) PSF(u − R_t r), its variance under noise alone
F(r) = Σ_t Σ_u PSF² / μ: both are images filtered once and back-projected to any number of places. Z = s / √F.
"""

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from pann.core import AtomicModel, PointSpread
from pann.fitting.existence.scene import Scene
from pann.fitting.existence.threshold import roughness

SPACING = 0.85
"""Grid of the search in units of the narrowest sigma: fine enough for a parabola through three of its points."""
LOWEST = 2.0
"""Maxima of Z below this are never looked at."""
PLACES = 200
"""Places at which the roughness of Z is looked at."""


@dataclass(frozen=True, eq=False)
class Search:
    """Outcome of one search.

    Attributes
    ----------
    positions : (k, 3) maxima of Z [Å], highest first.
    heights : (k,) Z there.
    volume : where atoms were looked for [Å³].
    independent : number of independent positions in it, R of `threshold`.
    spread : standard deviation of Z: 1 where only noise is left, more where the model errs.
    """

    positions: NDArray[np.float64]
    heights: NDArray[np.float64]
    volume: float
    independent: float
    spread: float

    @property
    def density(self) -> float:
        """Independent positions per volume [1/Å³]."""
        return self.independent / self.volume if self.volume > 0 else 0.0


def search(scene: Scene, model: AtomicModel, min_distance: float, reach: float) -> Search:
    """Maxima of Z above `LOWEST`, at least `min_distance` and at most `reach` [Å] from the nearest atom of `model`.

    The spread is read off the lower half of the histogram, where missing atoms do not show.
    """
    spacing = SPACING * min(scene.psf.sigmas)
    low = model.positions.min(0) - reach - spacing
    shape = tuple(int(n) for n in np.ceil((model.positions.max(0) + reach + spacing - low) / spacing) + 1)
    tree = cKDTree(model.positions)
    grid = np.indices(shape).reshape(3, -1).T
    distance, _ = tree.query(low + spacing * grid, distance_upper_bound=reach + 2 * spacing)
    # one more voxel on either side, to tell a maximum from the edge of the region
    near = np.flatnonzero((distance > min_distance - 2 * spacing) & np.isfinite(distance))
    z = np.full(len(grid), -np.inf)
    z[near] = normalised_score(scene, low + spacing * grid[near])
    allowed = (distance >= min_distance) & (distance <= reach) & np.isfinite(z)
    if not allowed.any():
        return Search(np.zeros((0, 3)), np.zeros(0), 0.0, 0.0, 1.0)
    field = z.reshape(shape)
    top = (ndimage.maximum_filter(field, 3, mode="constant", cval=-np.inf) == field).ravel()
    peaks = np.flatnonzero(top & allowed & (z > LOWEST))
    places, heights = _between_voxels(field, np.stack(np.unravel_index(peaks, shape), axis=1))
    order = np.argsort(-heights, kind="stable")
    values = z[allowed]
    median, sixteenth = np.quantile(values, [0.5, 0.1587])
    volume = float(allowed.sum()) * spacing**3
    sample = np.flatnonzero(allowed)[:: max(1, int(allowed.sum()) // PLACES)]
    return Search(
        positions=low + spacing * places[order],
        heights=heights[order],
        volume=volume,
        independent=volume * roughness(_information(scene, low + spacing * grid[sample])),
        spread=max(1.0, float(median - sixteenth)),
    )


def _between_voxels(
    field: NDArray[np.float64], peaks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (k, 3) [voxels] and heights of maxima of `field`, by a parabola along each axis."""
    top = field[tuple(peaks.T)]
    places, heights = peaks.astype(np.float64), top.copy()
    for axis in range(3):
        step = np.eye(3, dtype=np.int64)[axis]
        ends = [np.clip(peaks + sign * step, 0, np.array(field.shape) - 1) for sign in (-1, 1)]
        below, above = (field[tuple(end.T)] for end in ends)
        seen = np.isfinite(below) & np.isfinite(above)  # minus infinity lies outside what was searched
        below, above = (np.where(seen, end, top) for end in (below, above))
        usable = below + above < 2 * top
        slope = np.where(usable, above - below, 0.0)
        curvature = np.where(usable, below + above - 2 * top, -1.0)
        places[:, axis] -= slope / (2 * curvature)
        heights -= slope**2 / (8 * curvature)
    return places, heights


def normalised_score(scene: Scene, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Z at `places` (n, 3) [Å], (n,); minus infinity where no image looks."""
    psf, pixel = scene.psf, scene.series.pixel_size
    score = sum_of_gaussians(scene.score, psf, pixel).cpu().numpy()
    power = sum_of_gaussians(scene.inverse_variance, squared(psf), pixel).cpu().numpy() * pixel**2
    middle = np.array([n // 2 for n in scene.series.image_shape])
    signal, variance = np.zeros(len(places)), np.zeros(len(places))
    for tilt, rotation in enumerate(scene.series.rotations):
        seen = places @ rotation.T
        index = ((seen[:, :2] + scene.shifts[tilt]) / pixel + middle).T
        scale = scene.scales[tilt] * np.exp(-scene.attenuation * seen[:, 2])
        signal += scale * ndimage.map_coordinates(score[tilt], index, order=3, mode="constant")
        variance += scale**2 * ndimage.map_coordinates(power[tilt], index, order=1, mode="constant")
    seen = variance > 1e-3 * variance.max(initial=0.0)
    return np.where(seen, signal / np.sqrt(np.where(seen, variance, 1.0)), -np.inf)


def squared(psf: PointSpread) -> list[tuple[float, float]]:
    """The square of the profile [1/Å⁴] as a sum of normalised Gaussians: pairs (σ [Å], mass [1/Å²])."""
    terms = []
    for a, weight_a in zip(psf.sigmas, psf.weights, strict=True):
        for b, weight_b in zip(psf.sigmas, psf.weights, strict=True):
            total = a**2 + b**2
            terms.append((a * b / sqrt(total), weight_a * weight_b / (2 * pi * total)))
    return terms


def sum_of_gaussians(images: Tensor, kernel: PointSpread | list[tuple[float, float]], pixel_size: float) -> Tensor:
    """`images` (n_tilts, nx, ny) filtered by the kernel, with nothing beyond their edge."""
    terms = list(zip(kernel.sigmas, kernel.weights, strict=True)) if isinstance(kernel, PointSpread) else kernel
    total = torch.zeros_like(images, dtype=torch.float32)
    for sigma, mass in terms:
        along = [_toeplitz(n, sigma / pixel_size, images.device) for n in images.shape[1:]]
        total += mass * (along[0] @ images.float() @ along[1])
    return total


def _toeplitz(n: int, sigma: float, device: torch.device) -> Tensor:
    index = torch.arange(n, dtype=torch.float64, device=device)
    kernel = torch.exp(-((index[:, None] - index) ** 2) / (2 * sigma**2)) / (sqrt(2 * pi) * sigma)
    return kernel.float()


def _information(scene: Scene, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4, 4) Fisher information of the position [Å] and intensity of an atom of unit intensity at each place."""
    probes = AtomicModel(places, intensities=np.ones(len(places)))
    information = scene.expand(probes).information(scene.inverse_variance)
    return np.asarray(information.cpu().numpy())
