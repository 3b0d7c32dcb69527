"""What a fit gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, PointSpread
from pann.core.elements import symbols
from pann.fitting.guards import AtomFlag

SCALARS = (
    "r_factor_before",
    "r_factor_after",
    "r_factor_signal",
    "bound_pm",
    "posterior_pm",
    "bound_is_full",
    "deviance",
    "n_pixels",
    "n_parameters",
    "reduced_chi2",
    "inflation",
    "noise_sigma",
    "saturation",
    "attenuation",
    "halo_gain",
    "halo_needed",
    "converged",
    "iterations",
    "gradient_norm",
)
"""Fields of `FitResult` that are single numbers."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """Atoms fitted to a tilt series.

    Attributes
    ----------
    model : positions [Å], covariance [Å²] and integrated intensities [image units] of the atoms, in the order given.
    psf : fitted point spread function.
    background : (n_tilts,) constant of each image [image units per pixel].
    surface : (n_tilts, n_terms) coefficients of the smooth part of the background (`pann.fitting.surface`) [image
        units]; None for a constant.
    saturation : β [1/image units] of L / (1 + β L); 0 where it was not fitted.
    attenuation : α [1/Å] of exp(−α z), z the height of an atom along the beam; 0 where it was not fitted.
    element_widths : width of the core of the PSF by atomic number [Å]; None where all elements share that of `psf`.
    scales : (n_tilts,) factor of the atoms' intensity in each image.
    shifts : (n_tilts, 2) displacement of the atoms in each image [Å].
    angles : (n_tilts, 3) Euler angles (phi, theta, psi) [deg] of the images; refined where they were free, up to one
        rotation of the particle, which is fixed so that the refined turns cancel on average.
    predicted : (n_tilts, nx, ny) float32 expected images.
    r_factor_before, r_factor_after : Σ|I − P| / Σ|I| of the positions given (with intensities and background regressed)
        and of the fit.
    r_factor_signal : Σ|I − P| / Σ|I − b|, the background taken off.
    r_factor_per_tilt_before, r_factor_per_tilt : (n_tilts,) R-factor of each image, before and after.
    bound_pm : Cramér-Rao bound on the 3D RMSD [pm] at the fitted model, before inflation; NaN where not asked for. It
        is that of the images alone: a prior of the positions does not enter, and an estimate that uses one may be
        better.
    posterior_pm : root mean square of the standard deviation of the positions [pm], images and prior together, before
        inflation; the bound where there is no prior of the positions.
    position_precision : (n_atoms, 3) of that prior [1/Å²], as the error bars count it; None without one.
    bound_is_full : whether the whole information matrix was inverted, not blocks with the rest sampled.
    deviance, n_pixels, n_parameters : of the final fit; the deviance per degree of freedom of counts is 1 only where
        they are not few.
    reduced_chi2 : Pearson χ² per degree of freedom over the pixels that show atoms.
    inflation : factor by which the covariance was widened for errors of the model.
    noise_sigma : standard deviation of a pixel of processed images; None for counts.
    halo_gain : fall of the deviance (and prior) by the halo; None where it was not tried.
    halo_needed : fall that was demanded (BIC); None where it was not tried.
    flags : (n_atoms,) `AtomFlag` of every atom.
    converged, iterations, gradient_norm : of the minimiser; the norm is in standard errors.
    """

    model: AtomicModel
    psf: PointSpread
    background: NDArray[np.float64]
    surface: NDArray[np.float64] | None
    saturation: float
    attenuation: float
    element_widths: dict[int, float] | None
    scales: NDArray[np.float64]
    shifts: NDArray[np.float64]
    angles: NDArray[np.float64]
    predicted: NDArray[np.float32]
    r_factor_before: float
    r_factor_after: float
    r_factor_signal: float
    r_factor_per_tilt_before: NDArray[np.float64]
    r_factor_per_tilt: NDArray[np.float64]
    bound_pm: float
    posterior_pm: float
    bound_is_full: bool
    position_precision: NDArray[np.float64] | None
    deviance: float
    n_pixels: int
    n_parameters: int
    reduced_chi2: float
    inflation: float
    noise_sigma: float | None
    halo_gain: float | None
    halo_needed: float | None
    flags: NDArray[np.int64]
    converged: bool
    iterations: int
    gradient_norm: float

    def summary(self) -> dict[str, Any]:
        """The scalars of the result as plain values, and how many atoms carry each flag."""
        flagged = {flag.name.lower(): int((self.flags & flag != 0).sum()) for flag in AtomFlag if flag and flag.name}
        psf = {"sigmas": list(self.psf.sigmas), "weights": list(self.psf.weights)}
        values = {**{name: getattr(self, name) for name in SCALARS}, "psf": psf, "flagged": flagged}
        if self.element_widths is not None:
            names = symbols(list(self.element_widths))
            values["element_widths"] = dict(zip(names, self.element_widths.values(), strict=True))
        return values
