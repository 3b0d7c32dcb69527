"""The likelihood of the intensity of one atom, all else as fitted, exact: a sum over the few pixels it covers."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import AtomicModel
from pann.fitting.existence.scene import Scene
from pann.fitting.likelihood import GaussianNoise

PATCH = (4.5, 2.0)
"""Half width of the square of an atom: sigmas of the narrowest and of the widest Gaussian, whichever is more. What is
left of a halo beyond is spread too thinly to tell anything."""
VALUES = 8_000_000
"""Pixels of patches held at once."""
NEWTON_STEPS = 6


@dataclass(frozen=True)
class Patches:
    """The pixels of some atoms, (k, m) each.

    Attributes
    ----------
    images : measured values.
    without : expected values without the atom.
    profile : the image of the atom with unit intensity; zero beyond the edge of the field.
    linear : sum of all other atoms before saturation; None where the images do not saturate.
    """

    images: Tensor
    without: Tensor
    profile: Tensor
    linear: Tensor | None = None

    def light(self, scene: Scene, intensity: Tensor) -> Tensor:
        """What atoms of `intensity` (k,) add to the expected values (k, m)."""
        added = intensity[:, None] * self.profile
        if self.linear is None:
            return added
        return saturate(self.linear + added, scene.saturation) - saturate(self.linear, scene.saturation)

    def gain(self, scene: Scene, intensity: Tensor) -> Tensor:
        """Fall of the deviance (k,) when the atoms appear with `intensity` (k,)."""
        light = self.light(scene, intensity)
        if isinstance(scene.noise, GaussianNoise):
            return ((2 * (self.images - self.without) - light) * light).sum(1) / scene.noise.sigma**2
        ratio = (self.without + light).clamp(min=scene.noise.floor) / self.without.clamp(min=scene.noise.floor)
        return 2 * (torch.xlogy(self.images, ratio) - light).sum(1)

    def slopes(self, scene: Scene, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Derivative of half the gain by the intensity, and its expected curvature, (k,) each."""
        expected = self.without + self.light(scene, intensity)
        by_intensity = self.profile
        if self.linear is not None:
            total = self.linear + intensity[:, None] * self.profile
            by_intensity = self.profile / (1 + scene.saturation * total) ** 2
        weight = scene.noise.inverse_variance(expected)
        slope = -(scene.noise.residual(self.images, expected) * by_intensity).sum(1)
        return slope, (weight * by_intensity**2).sum(1)


def saturate(linear: Tensor, saturation: float) -> Tensor:
    """L / (1 + β L), the images that the sum L of the atoms gives."""
    return linear / (1 + saturation * linear)


def patches(scene: Scene, model: AtomicModel) -> Iterator[tuple[slice, Patches]]:
    """Patches of the atoms of `model`, whose light is in `scene.expected`, some atoms at a time."""
    series, device = scene.series, scene.expected.device
    pixel = series.pixel_size
    nx, ny = series.image_shape
    widest = max(PATCH[0] * min(scene.psf.sigmas), PATCH[1] * max(scene.psf.sigmas))
    reach = int(np.ceil(widest / pixel))
    offsets = torch.arange(-reach, reach + 1, device=device)

    def tensor(values: NDArray[np.float64] | None) -> Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), device=device)

    rotations, shifts, scales = tensor(series.rotations), tensor(scene.shifts), tensor(scene.scales)
    wider = tensor(scene.core_widths(model.numbers) ** 2 - min(scene.psf.sigmas) ** 2)
    positions, intensity = tensor(model.positions), tensor(model.intensities)
    middle = torch.tensor([nx // 2, ny // 2], device=device)
    tilt = torch.arange(series.n_tilts, device=device)[:, None, None]
    step = max(1, VALUES // (series.n_tilts * len(offsets) ** 2))
    for begin in range(0, len(model), step):
        part = slice(begin, min(begin + step, len(model)))
        seen = torch.einsum("tij,nj->nti", rotations, positions[part])
        centre = (seen[..., :2] + shifts) / pixel + middle
        index = centre.round().long()[..., None] + offsets
        away = index - centre[..., None]
        profile = torch.zeros(*index.shape[:2], len(offsets), len(offsets), dtype=torch.float64, device=device)
        for sigma, weight in zip(scene.psf.sigmas, scene.psf.weights, strict=True):
            variance = (sigma**2 + wider[part])[:, None, None, None]
            along = torch.exp(-(away**2) * (pixel**2 / (2 * variance)))
            mass = weight * pixel**2 / (2 * pi * variance)
            profile += mass * along[:, :, 0, :, None] * along[:, :, 1, None, :]
        profile *= (scales * torch.exp(-scene.attenuation * seen[..., 2]))[..., None, None]
        x, y = index[:, :, 0], index[:, :, 1]
        inside = ((x >= 0) & (x < nx))[..., None] & ((y >= 0) & (y < ny))[..., None, :]
        at = (tilt, x.clamp(0, nx - 1)[..., None], y.clamp(0, ny - 1)[..., None, :])
        profile *= inside
        n = part.stop - part.start
        light = profile * intensity[part, None, None, None]
        others = None
        if scene.linear is not None:
            total = scene.linear[at].double()
            others = (total - light).clamp(min=0)
            light = saturate(total, scene.saturation) - saturate(others, scene.saturation)
            others = others.reshape(n, -1)
        without = scene.expected[at].double() - light
        yield (
            part,
            Patches(scene.images[at].double().reshape(n, -1), without.reshape(n, -1), profile.reshape(n, -1), others),
        )


def maximise(scene: Scene, patch: Patches, start: Tensor, fitted: Tensor, regained: Tensor) -> Tensor:
    """Intensity (k,) ≥ 0 that maximises the gain plus `regained` · (intensity − `fitted`)², by Newton's method.

    The second term is what the neighbours regain by moving; see `pann.fitting.existence.evidence`.
    """
    value = start.clamp(min=0)
    for _ in range(NEWTON_STEPS):
        slope, curvature = patch.slopes(scene, value)
        slope = slope + regained * (value - fitted)
        curvature = torch.maximum(curvature - regained, 0.2 * curvature).clamp(min=1e-30)
        value = (value + slope / curvature).clamp(min=0)
    return value
