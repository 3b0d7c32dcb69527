"""Tier `linear`: the image as a sum of the images of its atoms, in torch, on CPU and GPU.

How far it goes is measured in ``docs/simulation_tiers.md``: it fails for thick crystals on zone axes, where electrons
channel along the columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError, InputError
from pann.core.progress import progress_bar
from pann.core.psf import PointSpread
from pann.simulation.imaging.device import torch_device
from pann.simulation.imaging.focus import focal_masses
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.splat import splat_gaussians
from pann.simulation.imaging.thermal import THERMAL_SIGMA, Thermal, check_thermal, sigma_of
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope


@dataclass(frozen=True)
class LinearTier:
    """Sum of the kernels of isolated atoms (`pann.simulation.imaging.kernels`), nothing fitted.

    Attributes
    ----------
    thermal_sigma : rms displacement of the atoms along one axis [Å], one number or one by atomic number; blurs.
    saturation : b in L / (1 + b L), with L the linear fraction; 0 to 9 imitates thick crystals.
    scale : factor on whole images, one number or one for each; channelling changes images by 0.9 to 1.2.
    depth_of_focus : every atom is out of focus by its own height; without, all are by that of the rotation centre,
        that is in focus unless the views say otherwise. Aberrations that are not round are averaged over directions.
    device : of torch, "cpu" or "cuda".
    """

    name: ClassVar[str] = "linear"
    thermal_sigma: Thermal = THERMAL_SIGMA
    saturation: float = 0.0
    scale: float | tuple[float, ...] = 1.0
    depth_of_focus: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not (isfinite(self.saturation) and self.saturation >= 0):
            raise ConfigError(f"linear: saturation is {self.saturation}: expected a number >= 0")
        if not (np.all(np.isfinite(self.scale)) and np.all(np.asarray(self.scale) > 0)):
            raise ConfigError(f"linear: scale is {self.scale}: expected positive numbers")
        check_thermal(self.name, self.thermal_sigma)

    def fractions(
        self, model: AtomicModel, views: Views, microscope: Microscope, *, seed: int = 0, progress: bool = False
    ) -> NDArray[np.float32]:
        """Noise-free expected fraction of the incident electrons on the detector, per pixel, (n, nx, ny).

        Atoms outside the images leave no mark. `seed` changes nothing: thermal motion is a blur here.
        """
        with progress_bar(self.name, len(views), enabled=progress) as bar:
            images = linear_batch([(model, views, microscope)], self)[0].cpu().numpy()
            bar.advance(len(views))
        return images

    def fraction(
        self, model: AtomicModel, views: Views, index: int, microscope: Microscope, *, seed: int = 0
    ) -> NDArray[np.float32]:
        """Image `index` of `fractions` alone, (nx, ny)."""
        scales = np.broadcast_to(self.scale, len(views))
        alone = LinearTier(self.thermal_sigma, self.saturation, float(scales[index]), self.depth_of_focus, self.device)
        return alone.fractions(model, views.only(index), microscope)[0]


def linear_batch(
    series: Sequence[tuple[AtomicModel, Views, Microscope]], tiers: LinearTier | Sequence[LinearTier]
) -> list[Tensor]:
    """Several series at once, in one padded batch: what a GPU needs to be busy.

    Parameters
    ----------
    series : (model, views, microscope) of each.
    tiers : options, the same for all or one for each; all on one device.

    Returns
    -------
    For each series its fractions (n, nx, ny) float32 on the device, as `LinearTier.fractions` gives them.
    """
    options = [tiers] * len(series) if isinstance(tiers, LinearTier) else list(tiers)
    if len(options) != len(series) or len({tier.device for tier in options}) > 1:
        raise InputError(f"{len(series)} series and {len(options)} tiers: give one for each, all on one device")
    if not series:
        return []
    device = torch_device(LinearTier.name, options[0].device)
    # In units of pixels, so that series of different pixel sizes fit one batch.
    parts = [_gaussians(*entry, tier) for entry, tier in zip(series, options, strict=True)]
    points, sigmas, masses = (
        _padded([torch.from_numpy(part[i].astype(np.float32)) for part in parts], fill).to(device)
        for i, fill in enumerate((0.0, 1.0, 0.0))
    )
    shapes = np.array([views.image_shape for _, views, _ in series])
    shape = (int(shapes[:, 0].max()), int(shapes[:, 1].max()))
    flat = splat_gaussians(points.flatten(0, 1), sigmas.flatten(0, 1), masses.flatten(0, 1), shape, 1.0)
    batch = flat.unflatten(0, points.shape[:2])
    return [_finished(images, views, tier) for images, (_, views, _), tier in zip(batch, series, options, strict=True)]


def _gaussians(
    model: AtomicModel, views: Views, microscope: Microscope, tier: LinearTier
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centres (n, n_atoms, 2), sigmas and masses (n, n_atoms, k) of all Gaussians, in pixels."""
    views.require_fit(model)
    pixel = views.pixel_size
    points = views.rotated(views.atoms(model))
    focus = np.array([views.focus(index) for index in range(len(views))])
    heights = (points[:, :, 2] if tier.depth_of_focus else np.zeros(points.shape[:2])) - focus[:, None]
    if np.any(heights):
        sigmas, masses = focal_masses(model.numbers, heights, microscope)
        blur = [sqrt(sum(_blurs(pixel, microscope, sigma_of(tier.thermal_sigma, int(z))))) for z in model.numbers]
        sigmas = np.hypot(sigmas, np.array(blur)[:, None])
    else:
        sigmas, masses = atom_profiles(model.numbers, pixel, microscope, tier.thermal_sigma)
    shape = (*points.shape[:2], sigmas.shape[-1])
    masses = np.broadcast_to(masses, shape) / pixel**2
    if views.present is not None:
        masses = masses * views.present[:, :, None]
    return points[:, :, :2] / pixel, np.broadcast_to(sigmas / pixel, shape), masses


def _padded(tensors: list[Tensor], fill: float) -> Tensor:
    """Stack of (n, n_atoms, k) tensors of different sizes, filled up with `fill`."""
    width = max(tensor.shape[2] for tensor in tensors)
    wide = [torch.nn.functional.pad(tensor, (0, width - tensor.shape[2]), value=fill) for tensor in tensors]
    atoms = max(tensor.shape[1] for tensor in wide)
    tall = [torch.nn.functional.pad(t, (0, 0, 0, atoms - t.shape[1]), value=fill) for t in wide]
    return pad_sequence(tall, batch_first=True, padding_value=fill)


def _finished(images: Tensor, views: Views, tier: LinearTier) -> Tensor:
    """Cut the images of one series out of the padded batch; saturate and scale them."""
    # Pixel n // 2 stays the rotation centre.
    first = [whole // 2 - n // 2 for whole, n in zip(images.shape[1:], views.image_shape, strict=True)]
    rows, columns = (slice(f, f + n) for f, n in zip(first, views.image_shape, strict=True))
    # Kernels out of focus ring: some -0.4 % of the peak.
    mine = images[: len(views), rows, columns].clamp(min=0)
    if tier.saturation > 0:
        mine = mine / (1 + tier.saturation * mine)
    if np.shape(tier.scale) not in ((), (len(views),)):
        raise InputError(f"linear: {len(np.ravel(tier.scale))} scales for {len(views)} images: give one for each")
    factors = torch.as_tensor(tier.scale, dtype=torch.float32, device=mine.device)
    return mine * factors.reshape(-1, 1, 1)


def _blurs(pixel_size: float, microscope: Microscope, thermal_sigma: float) -> tuple[float, float, float]:
    """Variances [Å²] of the source, thermal motion and the area of a pixel."""
    return microscope.source_sigma**2, thermal_sigma**2, pixel_size**2 / 12


def atom_profiles(
    numbers: NDArray[np.int64], pixel_size: float, microscope: Microscope, thermal_sigma: Thermal = THERMAL_SIGMA
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sigmas [Å] and masses [Å²], both (n_atoms, k), of the Gaussians that make up each atom in an image.

    They include the probe, the source, thermal motion and the area of a pixel (pixel_size² / 12 in the variance).
    """
    kernels = atom_kernels(microscope, np.unique(numbers).tolist())
    k = max(len(kernel.profile.sigmas) for kernel in kernels.values())
    sigmas, masses = np.ones((len(numbers), k)), np.zeros((len(numbers), k))
    for number, kernel in kernels.items():
        profile = image_profile(kernel.profile, pixel_size, microscope, sigma_of(thermal_sigma, number))
        mine = np.flatnonzero(numbers == number)
        sigmas[mine[:, None], np.arange(len(profile.sigmas))] = profile.sigmas
        masses[mine[:, None], np.arange(len(profile.sigmas))] = np.array(profile.weights) * kernel.cross_section
    return sigmas, masses


def image_profile(
    profile: PointSpread, pixel_size: float, microscope: Microscope, thermal_sigma: float = THERMAL_SIGMA
) -> PointSpread:
    """The bare `profile` of an atom, blurred by the source, thermal motion and the area of a pixel."""
    return profile.blurred(sqrt(sum(_blurs(pixel_size, microscope, thermal_sigma))))


def series_psf(
    model: AtomicModel, pixel_size: float, microscope: Microscope, thermal_sigma: Thermal = THERMAL_SIGMA
) -> PointSpread:
    """The profile that stands for a whole series: the one of the element that scatters most in `model`.

    The profiles of elements differ little (some 4 % in the weights of their Gaussians between C and Pt).
    """
    kernels = atom_kernels(microscope, np.unique(model.numbers).tolist())
    number = max(kernels, key=lambda z: kernels[z].cross_section * float((model.numbers == z).sum()))
    return image_profile(kernels[number].profile, pixel_size, microscope, sigma_of(thermal_sigma, number))
