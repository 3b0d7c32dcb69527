"""Kernel of one isolated atom in an annular dark-field image, from first principles.

An image of a thin, disordered enough object is close to the sum of the images of its atoms (Hartel, Rose and Dinges,
Ultramicroscopy 63, 93, 1996, on the conditions). One atom is a phase object t = exp(i σ V); a probe ψ at distance r
from it puts the share K(r) = Σ_{annulus} |F[ψ_r t]|² of its electrons on the detector. The integral of K over the
plane is the cross-section [Å²], its shape, as a sum of Gaussians, the point spread before source and thermal blur.
"""

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, ifft2
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares, nnls
from scipy.special import j0

from pann.core.errors import InputError
from pann.core.psf import PointSpread
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.imaging.potential import transmission_slices
from pann.simulation.microscope import Microscope

_BOX = 20.0
"""Edge of the periodic cell of the atom [Å]. In 10 Å the tails of the probe overlap: a halo of 14 instead of 7 %."""
_SAMPLING = 0.05
"""Of the waves [Å]; the phase of the atom is resolved twice as finely (`pann.simulation.imaging.potential`)."""
_N_RADII = 56
"""Distances at which a radial profile is computed, closer in the middle."""
_AZIMUTHS = 8
"""Directions over which a kernel is averaged where the probe is not round."""
_N_GAUSSIANS = 3
_REFERENCE_BLUR = 0.25
"""The fit weighs spatial frequencies as a source of this sigma [Å], the smallest usual one, passes them."""


@dataclass(frozen=True)
class AtomKernel:
    """How one atom shows in an ADF image.

    Attributes
    ----------
    cross_section : integral over the plane of the fraction of electrons detected [Å²].
    profile : its normalised shape, of a point source and a resting atom.
    """

    cross_section: float
    profile: PointSpread


class IsolatedAtom:
    """Transmission function and probe of one atom in the middle of a periodic cell.

    Parameters
    ----------
    edge : of the cell [Å].
    sampling : coarsest, of the waves [Å]; what the detector needs may be finer.
    """

    def __init__(self, number: int, microscope: Microscope, edge: float = _BOX, sampling: float = _SAMPLING) -> None:
        from abtem.transfer import soft_aperture

        wavelength = microscope.wavelength
        finest = min(sampling, 1e3 * wavelength / (3 * 1.1 * microscope.outer))
        self.edge, self.n = edge, smooth_size(ceil(edge / finest), 2)
        frequencies = np.fft.fftfreq(self.n, edge / self.n)
        self.kx, self.ky = frequencies[:, None], frequencies[None, :]
        k = np.hypot(self.kx, self.ky)
        angles = 1e3 * wavelength * k
        azimuth = np.arctan2(self.ky, self.kx)
        corner = np.zeros((1, 3))
        built = transmission_slices(
            np.array([number]), corner, (edge, edge, 1.0), (self.n, self.n), 1.0, microscope.energy
        )
        self.transmission = built[0].numpy()
        step = 1e3 * wavelength / edge
        disc = soft_aperture(1e-3 * angles, azimuth, 1e-3 * microscope.semiangle, (step, step))
        chi = microscope.aberration_phase(1e-3 * angles, azimuth)
        self.aperture = (disc * np.exp(-1j * chi) / np.sqrt((disc**2).sum())).astype(np.complex64)
        self.defocus_phase = pi * wavelength * k**2
        self.foci = microscope.focal_nodes()
        is_round = microscope.astigmatism == 0 and microscope.coma == 0
        self.azimuths = [0.0] if is_round else list(np.arange(_AZIMUTHS) * 2 * pi / _AZIMUTHS)
        self.annulus = (angles >= microscope.inner) & (angles <= microscope.outer)

    def fraction(self, distance: float, height: float = 0.0) -> float:
        """Share of the electrons on the detector when the probe stands `distance` [Å] from the atom.

        The atom lies `height` [Å] behind the focal plane. Means over the focal spread and over all directions.
        """
        total = 0.0
        for offset, weight in self.foci:
            aperture = self.aperture * np.exp(-1j * self.defocus_phase * (height - offset)).astype(np.complex64)
            for azimuth in self.azimuths:
                ramps = (
                    np.exp(-2j * pi * k * c(azimuth) * distance) for k, c in ((self.kx, np.cos), (self.ky, np.sin))
                )
                along_x, along_y = (ramp.astype(np.complex64) for ramp in ramps)
                probe = ifft2(aperture * along_x * along_y, norm="ortho", overwrite_x=True)
                scattered = fft2(probe * self.transmission, norm="ortho", overwrite_x=True)
                total += weight / len(self.azimuths) * float((np.abs(scattered[self.annulus]) ** 2).sum())
        return total

    def transfer(self, frequencies: NDArray[np.float64], height: float = 0.0) -> NDArray[np.float64]:
        """Fourier transform of the radial profile at `frequencies` [1/Å], one at zero frequency."""
        radii = np.linspace(0, 1, _N_RADII) ** 1.3 * (self.edge / 2)
        fine = np.linspace(0, radii[-1], 2000)
        dense = CubicSpline(radii, [self.fraction(r, height) for r in radii])(fine)
        transfer = np.trapezoid(dense * fine * j0(2 * pi * frequencies[:, None] * fine), fine, axis=1)
        return transfer / transfer[0]

    def cross_section(self) -> float:
        """Integral of `fraction` over the plane [Å²], exact: over all positions the plane waves of the probe do not
        interfere, each scatters |T(k' - k)|² from k to k'.
        """
        power = np.abs(fft2(self.transmission.astype(np.complex128)) / self.n**2) ** 2
        reached = ifft2(fft2(power) * fft2(np.abs(self.aperture.astype(np.complex128)) ** 2)).real
        return float(reached[self.annulus].sum() * self.edge**2)


def _fit_gaussians(frequencies: NDArray[np.float64], transfer: NDArray[np.float64]) -> PointSpread:
    """Non-negative Gaussians whose sum has the radial `transfer` function, one at zero frequency [1/Å]."""
    envelope = fit_envelope(frequencies)
    sum_rule = 30.0

    def solve(log_sigmas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        design = np.exp(-2 * (pi * np.exp(log_sigmas)[None] * frequencies[:, None]) ** 2) * envelope[:, None]
        design = np.vstack([design, np.full((1, len(log_sigmas)), sum_rule)])
        target = np.append(transfer * envelope, sum_rule)
        weights, _ = nnls(design, target)
        return weights, design @ weights - target

    start = np.log([0.15, 0.35, 1.2])[:_N_GAUSSIANS]
    best = least_squares(lambda x: solve(x)[1], start, bounds=(np.log(0.03), np.log(3.0)), diff_step=1e-4)
    weights = solve(best.x)[0]
    keep = weights > 1e-4
    weights = weights[keep] / weights[keep].sum()
    sigmas = np.exp(best.x)[keep]
    order = np.argsort(sigmas)
    return PointSpread(tuple(float(s) for s in sigmas[order]), tuple(float(w) for w in weights[order]))


def compute_kernel(number: int, microscope: Microscope) -> AtomKernel:
    """Kernel of element `number` in `microscope` (its source is left out), computed with abTEM's scattering factors.

    Takes about a second. Raises InputError for elements without tabulated scattering factors.
    """
    atom = isolated_atom(number, microscope)
    frequencies = transferred_frequencies(microscope)
    return AtomKernel(atom.cross_section(), _fit_gaussians(frequencies, atom.transfer(frequencies)))


def isolated_atom(number: int, microscope: Microscope) -> IsolatedAtom:
    """The atom of `compute_kernel`. Raises InputError for elements without tabulated scattering factors."""
    if not 1 <= number <= 103:
        raise InputError(f"no scattering factors for atomic number {number}: elements 1 to 103 are tabulated")
    return IsolatedAtom(number, microscope)


def transferred_frequencies(microscope: Microscope) -> NDArray[np.float64]:
    """Spatial frequencies [1/Å] that an ADF image holds, from 0 to 2 α / λ."""
    return np.linspace(0, 2e-3 * microscope.semiangle / microscope.wavelength, 80)


def fit_envelope(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the fits in Fourier space: the area of each ring, and what the source passes."""
    return np.sqrt(frequencies + frequencies[1]) * np.exp(-2 * (pi * _REFERENCE_BLUR * frequencies) ** 2)
