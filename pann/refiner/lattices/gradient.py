"""What the counts would add to a smooth particle: the gradient of their likelihood, and its noise.

A reconstruction bends what the counts say: it is not negative, a few passes do not resolve all, and how loud its noise
is, only it knows. The gradient of the likelihood at a model μ without any detail, the back-projection of
(y − μ) / μ, is linear in the counts y. It holds all that they say of faint detail (it is the score, a sufficient
statistic to first order), and its noise is known: that of images which only count. Within the envelope E of the
particle, the component of a wave c E(x) exp(2πi k x) of the density is B(k) = c f(k) plus noise of variance f(k), the
Fisher information of c.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, pi, prod
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter
from torch import Tensor

from pann.core.geometry import rotation_matrices
from pann.core.random import generator
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.refiner.canonical import resampled
from pann.refiner.lattices.back_projection import Box, along, back_projected, wave
from pann.refiner.lattices.orientation import both_halves, component_at
from pann.refiner.lattices.spectrum import LEAST_POWER, OVERLAP, Spectrum, binomial_mean, overlapped, power, slope_of
from pann.refiner.lattices.waves import Places, components_at, gradients_at
from pann.refiner.light import HALO, Light
from pann.tomography import make_projector

SMOOTH = 1.6
"""Width [Å] of the Gaussian that leaves nothing of atoms but the shape of the particle."""
COARSER = 3
"""Voxels and pixels per one in which the envelope is projected: it has no detail."""
DIM = 0.05
"""Light of an image, as a share of its brightest, below which there is vacuum, and noise is not looked at."""
FAINT = 1e-3
"""Envelope below which nothing of the particle is left."""
DRAWS = 5
"""Series of noise alone from which its power is known; odd, since two series are back-projected at once."""
LEAST_CUT = 0.02
"""What images know of waves far from all their planes, since no particle is Gaussian."""
ATOM = 0.48
"""Width [Å] of an atom in images of a good microscope."""


@dataclass(frozen=True, eq=False)
class Planes:
    """The planes of Fourier space that images know, as thick as the particle is thin.

    Attributes
    ----------
    beams : (n_tilts, 3) directions.
    depths : (n_tilts,) variance of the density of the particle along them [Å²].
    """

    beams: Tensor
    depths: Tensor

    @classmethod
    def of(cls, beams: Tensor, covariance: Tensor) -> Self:
        """Those of images along `beams` (n_tilts, 3) of a density of (3, 3) `covariance` [Å²]."""
        return cls(beams, torch.einsum("ti,ij,tj->t", beams, covariance, beams))

    def cut(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """How many images know of waves at `nodes` (n, 3), (n,), and its slope (n, 3) [Å].

        With h the distance of k from a plane, and s² the depth, that is exp(−4π² s² h²), as if the profile of the
        particle along the beam were Gaussian, and `LEAST_CUT` beside.
        """
        heights = nodes @ self.beams.T
        each = torch.exp(-4 * pi**2 * self.depths * heights**2)
        return each.sum(-1) + LEAST_CUT, -8 * pi**2 * (self.depths * heights * each) @ self.beams

    def on(self, frequencies: Sequence[Tensor]) -> Tensor:
        """The same on the grid of components at `frequencies` along x, y and z."""
        x, y, z = frequencies
        total = torch.full((len(x), len(y), len(z)), LEAST_CUT, device=self.beams.device)
        for beam, depth in zip(self.beams, self.depths, strict=True):
            height = beam[0] * x[:, None, None] + beam[1] * y[:, None] + beam[2] * z
            total += torch.exp(-4 * pi**2 * depth * height**2)
        return total


@dataclass(frozen=True, eq=False)
class CountsGradient:
    """The gradient of the likelihood at a smooth particle.

    Attributes
    ----------
    box : its grid.
    fields : (1 + DRAWS, box.shape) gradient and noise alone, times envelope.
    envelope : (box.shape) of the particle, 1 at its densest.
    places : coordinates of their voxels about the centroid of the envelope.
    spectrum : of `values`, in standard deviations of noise: its `usual` is √f.
    noise : (DRAWS, kx, ky, kz) powers of noise alone in these units.
    planes : of the images in Fourier space.
    level : (kx, ky, kz) information over that of `planes`.
    """

    box: Box
    fields: Tensor
    envelope: Tensor
    places: Places
    spectrum: Spectrum
    noise: Tensor
    planes: Planes
    level: Tensor

    @classmethod
    def of(cls, density: Tensor, voxel_size: float, series: TiltSeries) -> Self:
        """That of the images of `series` at a smoothed `density` (nx, ny, nz), which was reconstructed from them.

        `voxel_size` is in Å. Images need not be counts: only that their noise grows as √μ is used.
        """
        values = density.cpu().numpy().astype(np.float32)
        envelope = gaussian_filter(values, SMOOTH / voxel_size, mode="constant")
        envelope /= max(float(envelope.max()), np.finfo(np.float32).tiny)
        frame = Spectrum.of(density, voxel_size)
        box = Box.of(frame.size, voxel_size)
        around = box.taken(torch.as_tensor(envelope, device=density.device), frame.shape)
        pictures = iter(_residuals(envelope, voxel_size, series))
        fields: list[Tensor] = []
        for first, second in zip(pictures, pictures, strict=True):
            pair = torch.as_tensor(first + 1j * second, device=density.device)
            both = back_projected(pair, series.angles, series.pixel_size, box)
            fields += [both.real * around, both.imag * around]
        beams = torch.tensor(rotation_matrices(series.angles)[:, 2], dtype=torch.float32, device=density.device)
        return cls._of_fields(box, torch.stack(fields), around, frame, beams)

    @classmethod
    def _of_fields(cls, box: Box, fields: Tensor, envelope: Tensor, frame: Spectrum, beams: Tensor) -> Self:
        """That of `fields` (1 + DRAWS, box.shape): gradient and noise, both times the `envelope`."""
        components = torch.stack([box.components(field) for field in fields])
        places = Places.of(envelope.clamp(min=0), box.axes(fields.device))
        planes = Planes.of(beams, places.covariance(envelope.clamp(min=0)))
        cut = planes.on(frame.frequencies)
        level = _smoothed(power(components[1:]).mean(0)) / _smoothed(cut)
        information = level * cut
        usual = torch.where(frame.inside, information.clamp(min=LEAST_POWER).sqrt(), 1.0)
        whitened = components * frame.inside / usual
        spectrum = replace(frame, values=whitened[0], usual=usual)
        return cls(box, fields, envelope, places, spectrum, power(whitened[1:]), planes, level)

    def within(self, window: Tensor) -> Self:
        """That of the part of the particle where `window` (box.shape), 0 to 1, shows it."""
        return self._of_fields(self.box, self.fields * window, self.envelope * window, self.spectrum, self.planes.beams)

    @property
    def values(self) -> Tensor:
        """(box.shape) gradient times envelope."""
        return self.fields[0]

    @cached_property
    def information(self) -> Tensor:
        """Fisher information f (kx, ky, kz), zero outside the spectrum."""
        return self.spectrum.usual**2 * self.spectrum.inside

    @cached_property
    def rise(self) -> Tensor:
        """Power of every component and its neighbours, in standard deviations of noise above that of noise alone."""
        found, alone = _smoothed(power(self.spectrum.values)), torch.stack([_smoothed(draw) for draw in self.noise])
        bins, inside = slope_of(self.spectrum), self.spectrum.inside.flatten().double()
        count = torch.bincount(bins, inside).clamp(min=1)
        mean = torch.bincount(bins, alone.mean(0).flatten().double() * inside) / count
        square = torch.bincount(bins, (alone**2).mean(0).flatten().double() * inside) / count
        spread = (square - mean**2).clamp(min=1e-6).sqrt()
        return ((found.flatten() - mean[bins]) / spread[bins]).view_as(found).float() * self.spectrum.inside

    @cached_property
    def excess(self) -> Tensor:
        """Log-likelihood ratio (kx, ky, kz) of detail to none: the sum over all is that of the whole particle.

        Power above that of noise; the envelope makes speckles of some components, which are counted once.
        """
        above = (power(self.spectrum.values) - self.noise.mean(0)) * self.spectrum.inside
        speckle = (self.envelope**4).mean() / (self.envelope**2).mean().clamp(min=LEAST_POWER) ** 2
        return above / speckle.clamp(min=1)

    @cached_property
    def detail(self) -> Tensor:
        """The most likely detail of the density (nx, ny, nz), in standard deviations of what is expected there.

        See `likeliest`. Where the counts say little it is near zero.
        """
        spectrum, information = self.spectrum, self.information
        transfer = transfer_at(spectrum.radius) * spectrum.inside
        amplitudes, prior = likeliest(spectrum.values * spectrum.usual, information, transfer)
        shown = replace(spectrum, values=amplitudes, usual=spectrum.inside)
        filled = (self.envelope**2).mean().clamp(min=LEAST_POWER)  # share of the volume, where all the power is
        deviation = (2 * prior.sum() / filled).sqrt() / prod(spectrum.shape)
        return shown.volume(spectrum.inside) / deviation.clamp(min=LEAST_POWER)

    @cached_property
    def about_centroid(self) -> Tensor:
        """The components (kx, ky, kz) of `values`, with phases about the centroid, so that they change slowly."""
        components = self.spectrum.values * self.spectrum.usual
        for axis, (k, places) in enumerate(zip(self.spectrum.frequencies, self.places.axes, strict=True)):
            components = components * along(axis, wave(-k * places[0]))
        return components

    @cached_property
    def _inner(self) -> tuple[Tensor, Places]:
        """`values` where the particle is, and the coordinates of these voxels."""
        seen = self.envelope > FAINT
        if not seen.any():
            return self.values, self.places
        box = []
        for axis in range(3):
            along = seen.movedim(axis, 0).flatten(1).any(1).nonzero().flatten()
            box.append(slice(int(along[0]), int(along[-1]) + 1))
        axes = tuple(places[part] for places, part in zip(self.places.axes, box, strict=True))
        return self.values[tuple(box)].contiguous(), replace(self.places, axes=axes)

    def components_at(self, nodes: Tensor) -> Tensor:
        """B (n,) at `nodes` (n, 3), wherever they are, with phases about the centroid."""
        return components_at(*self._inner, nodes)

    def slopes_at(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """B (n,) at `nodes` (n, 3), and ∂B/∂k (n, 3) [Å]."""
        return gradients_at(*self._inner, nodes)

    def information_at(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Fisher information f (n,) at `nodes` (n, 3), wherever they are, and ∂f/∂k (n, 3) [Å]."""
        level = self.looked_up(self.level, nodes)
        cut, slopes = self.planes.cut(nodes)
        return level * cut, level[:, None] * slopes

    def looked_up(self, values: Tensor, nodes: Tensor) -> Tensor:
        """`values` (kx, ky, kz) that are alike at k and -k, at the components next to `nodes` (..., 3)."""
        return both_halves(values)[component_at(self.spectrum, nodes.movedim(-1, 0))]


def transfer_at(radius: Tensor, width: float = ATOM) -> Tensor:
    """What is left in images of waves of |k| = `radius` [1/Å] between atoms of `width` [Å]."""
    return torch.exp(-2 * (pi * width * radius) ** 2)


def likeliest(components: Tensor, information: Tensor, transfer: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitudes of waves by the Wiener filter, which knows their noise, of variance 1 / f; and the power expected.

    As if atoms lay at random that is p² times a factor, which the excess of power over noise tells.

    Parameters
    ----------
    components, information : B and f of the waves.
    transfer : p, of an atom.
    """
    powers = transfer**2
    excess = (power(components) - information).sum() / (powers * information**2).sum().clamp(min=LEAST_POWER)
    prior = powers * excess.clamp(min=0)
    return components * prior / (1 + prior * information), prior


def _smoothed(powers: Tensor) -> Tensor:
    return binomial_mean(overlapped(powers))[..., OVERLAP:]


def _residuals(envelope: NDArray[np.float32], voxel_size: float, series: TiltSeries) -> list[NDArray[np.float32]]:
    """(y − μ) / μ, then `DRAWS` times noise alone, where the particle is; each (n_tilts, nu, nv)."""
    images = np.maximum(series.images, 0).astype(np.float32)
    shape = np.maximum(_projected(envelope, voxel_size, series), 0)
    light = Light.fit(images, shape, HALO / series.pixel_size)
    expected = np.maximum(light.core * shape + light.rest, np.finfo(np.float32).tiny)
    seen = np.minimum(shape / max(DIM * float(shape.max()), np.finfo(np.float32).tiny), 1)
    rng = generator(0, "noise alone")
    noise = [rng.standard_normal(expected.shape, np.float32) * seen / np.sqrt(expected) for _ in range(DRAWS)]
    return [(images - expected) / expected * seen, *noise]


def _projected(envelope: NDArray[np.float32], voxel_size: float, series: TiltSeries) -> NDArray[np.float32]:
    """Projections (n_tilts, nu, nv) of the `envelope`, computed on coarse grids."""
    coarse = resampled(Volume(envelope, voxel_size), COARSER * voxel_size)
    nu, nv = (2 * ceil(n / COARSER / 2) + 1 for n in series.image_shape)  # beyond the image on either side
    projector = make_projector(
        series.angles,
        coarse.shape,
        (nu, nv),
        pixel_size=COARSER * series.pixel_size,
        voxel_size=coarse.voxel_size,
    )
    images = projector.forward(torch.from_numpy(coarse.values.copy())).numpy()
    first = [n // 2 - n_fine // 2 / COARSER for n, n_fine in zip((nu, nv), series.image_shape, strict=True)]
    scale = [1 / COARSER] * 2
    fine = [affine_transform(image, scale, first, series.image_shape, mode="nearest") for image in images]
    return np.stack(fine)
