"""The fit: from a traced model to the most likely one, with error bars."""

from dataclasses import replace
from math import sqrt
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pann.core import AtomicModel, ConfigError, PointSpread, TiltSeries
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.fitting.fisher import position_covariance
from pann.fitting.guards import Guard
from pann.fitting.likelihood import GaussianNoise
from pann.fitting.optimise import HaloPrior, Minimum
from pann.fitting.parameters import Layout, State
from pann.fitting.result import FitResult
from pann.fitting.setup import layout_of, stage_of, starting_point
from pann.fitting.stages import HaloTest, Stage, fit_with_halo
from pann.fitting.turns import euler_angles
from pann.metrics import r_factor, r_factor_per_tilt

Intensities = Literal["element", "atom", "factor"]
Background = Literal["image", "shared", "none"]
Halo = Literal["auto", "free", "fixed"]
Covariance = Literal["auto", "full", "blocks", "none"]
WEAK_SHARE = 0.25
"""An atom below this share of the median intensity is flagged as weak."""
SIGNAL_SHARE = 0.05
"""A pixel shows atoms where they give more than this share of the brightest pixel of the image."""


def fit(
    series: TiltSeries,
    model: AtomicModel,
    *,
    psf: PointSpread | None = None,
    fit_width: bool = True,
    halo: Halo = "auto",
    halo_prior: dict[str, float] | None = None,
    intensities: Intensities = "element",
    factor_sd: float = 0.1,
    background: Background = "image",
    surface: int = 0,
    saturation: bool = False,
    background_images: ArrayLike | None = None,
    scales: bool = False,
    shifts: bool = False,
    angles: bool = False,
    max_shift: float = 1.2,
    min_distance: float = 1.2,
    tolerance: float = 0.03,
    max_iterations: int = 50,
    covariance: Covariance = "auto",
    full_covariance_below: int = 1000,
    inflate: bool = True,
    device: str = "cpu",
    progress: bool = True,
) -> FitResult:
    """Fit the atoms of `model` to the images of `series` by maximum likelihood.

    The image model is that of `pann.fitting.image_model`; the noise is Poisson for counts, Gaussian with a variance
    estimated from the residuals for processed images.

    Parameters
    ----------
    series : images and angles.
    model : start; positions may be wrong by about 0.5 Å.
    psf : point spread function to start from; found from the images when not given.
    fit_width : whether the width of the PSF is fitted.
    halo : "auto" adds a wider Gaussian to a PSF of one when the likelihood gains enough (BIC), and fits that of a PSF
        of two; "free" fits a halo in any case; "fixed" keeps the shape of the PSF as given, one Gaussian if none.
    halo_prior : weight, weight_sd, ratio, ratio_sd of `HaloPrior`; by default 0.18 ± 0.1 and 3 ± 15 %.
    intensities : "element" for one intensity per element (one for all unknown atoms), "atom" for one per atom,
        "factor" for one per element times a factor of each atom, which is 1 ± `factor_sd` before the fit.
    background : a constant for each "image", one "shared" by all, or "none".
    surface : order of the polynomial that is added to the background of each image, for a support film
        (`pann.fitting.surface`); 0 for none.
    saturation : whether the images saturate, L / (1 + β L) in place of the sum L of the atoms, with β ≥ 0 fitted.
    background_images : (n_tilts, nx, ny) what is in the images but not in the model, such as the projection of the
        rest of an extended object; added as it is [image units].
    scales, shifts : whether each image has an intensity scale, a shift, of its own. The mean scale is held at 1, and
        the part of the shifts that is a translation of the particle at zero.
    angles : whether all three Euler angles of each image are refined; a rotation of the particle as a whole is then
        undetermined, and is fixed so that the corrections cancel on average (`pann.fitting.turns`). Their error bars
        widen those of the atoms.
    max_shift : furthest an atom may go from its start [Å].
    min_distance : closest that two atoms may come [Å].
    tolerance : the fit ends when the remaining step is below this, in standard errors (root mean square).
    max_iterations : most steps of each stage.
    covariance : "full" inverts the information of all parameters together, "blocks" that of each atom and
        samples what this misses (`pann.fitting.sampling`); "auto" takes the full one for fewer than
        `full_covariance_below` atoms; "none" leaves error bars and bound out.
    inflate : whether the covariance is multiplied by the reduced χ² where that exceeds 1: errors of the model, such as
        channelling, are then counted as if they were noise. Errors shared by many pixels are still underrated.
    device : torch device.
    progress : whether to show progress bars.

    Raises
    ------
    InputError : no atoms, `background_images` of another shape, atoms that do not show in the images.
    ConfigError : an option with an unknown value.
    """
    _check_choices(intensities=intensities, background=background, halo=halo, covariance=covariance)
    layout = layout_of(
        series,
        model,
        intensities == "atom",
        background=background,
        surface=surface,
        saturation=saturation,
        factors=intensities == "factor",
        scale=scales,
        shifts=shifts,
        turns=angles,
        width=fit_width,
    )
    stage = stage_of(
        series, model, layout, background_images, max_shift, min_distance, max_iterations, device, progress, factor_sd
    )
    state = starting_point(series, model, layout, stage, psf)
    before = stage.model(layout).at(state).images.cpu().numpy()
    minimum, test = _fit_stages(stage, layout, state, HaloPrior(**(halo_prior or {})), halo, tolerance)
    if covariance == "auto":
        covariance = "full" if len(model) < full_covariance_below else "blocks"
    return _assemble(series, model, minimum, stage.guard, before, test, covariance, inflate)


def _check_choices(**chosen: str) -> None:
    known = {"intensities": Intensities, "background": Background, "halo": Halo, "covariance": Covariance}
    for name, value in chosen.items():
        if value not in get_args(known[name]):
            raise ConfigError(f"fit.{name} is {value!r}: choose one of {', '.join(get_args(known[name]))}")


def _fit_stages(
    stage: Stage, layout: Layout, state: State, prior: HaloPrior, halo: Halo, tolerance: float
) -> tuple[Minimum, HaloTest | None]:
    """Set the halo free as asked for; see `fit`."""
    n_gaussians = len(state.ratios)
    if halo == "fixed" or n_gaussians > 2:
        return stage.run(layout, state, None, tolerance, "fit"), None
    if halo == "auto" and n_gaussians == 1:
        return fit_with_halo(stage, layout, state, prior, tolerance)
    if n_gaussians == 1:
        state = state.with_psf(PointSpread.core_and_halo(state.sigma, prior.weight, prior.ratio))
    else:
        prior = replace(prior, weight=state.weights[1], ratio=state.ratios[1])
    return stage.run(replace(layout, halo_weight=True, halo_ratio=True), state, prior, tolerance, "fit"), None


def _assemble(
    series: TiltSeries,
    model: AtomicModel,
    minimum: Minimum,
    guard: Guard,
    before: NDArray[np.float32],
    test: HaloTest | None,
    method: Covariance,
    inflate: bool,
) -> FitResult:
    expansion, state, problem = minimum.expansion, minimum.state, minimum.problem
    layout, noise, n_pixels = expansion.layout, problem.noise, problem.images.numel()
    weights = noise.inverse_variance(expansion.images)
    bright = expansion.atoms > SIGNAL_SHARE * expansion.atoms.amax((1, 2), keepdim=True)
    squares = (weights * (problem.images - expansion.images) ** 2)[bright]
    # the parameters are spread over the pixels that show atoms: nearly all of them belong to atoms
    freedom = max(int(bright.sum()) - layout.n_parameters, 1)
    chi2 = float(squares.sum(dtype=torch.float64)) / freedom
    inflation = max(1.0, chi2) if inflate else 1.0
    predicted = expansion.images.cpu().numpy()
    background = state.background.cpu().numpy()
    fitted = model.replace(
        positions=state.positions.cpu().numpy(),
        intensities=state.atom_intensity(layout.group).cpu().numpy(),
        covariance=None,
    )
    bound = float("nan")
    if method != "none":
        precision, _ = problem.prior_terms(state)
        covariance = position_covariance(expansion, weights, precision, method == "full", guard.max_shift)
        variance = covariance.diagonal(dim1=1, dim2=2).sum(1)[minimum.seen]
        bound = PICOMETRES_PER_ANGSTROM * sqrt(float(variance.mean())) if len(variance) else bound
        fitted = fitted.replace(covariance=(inflation * covariance).cpu().numpy())
    return FitResult(
        model=fitted,
        psf=state.psf,
        background=background,
        surface=None if state.surface is None else state.surface.cpu().numpy(),
        saturation=state.saturation,
        scales=state.scale.cpu().numpy(),
        shifts=state.shifts.cpu().numpy(),
        angles=euler_angles(expansion.rotations.cpu().numpy(), series.angles),
        predicted=predicted,
        r_factor_before=r_factor(series.images, before),
        r_factor_per_tilt_before=r_factor_per_tilt(series.images, before),
        r_factor_after=r_factor(series.images, predicted),
        r_factor_signal=r_factor(series.images, predicted, background),
        r_factor_per_tilt=r_factor_per_tilt(series.images, predicted),
        bound_pm=bound,
        bound_is_full=method == "full",
        deviance=noise.deviance(problem.images, expansion.images),
        n_pixels=n_pixels,
        n_parameters=layout.n_parameters,
        reduced_chi2=chi2,
        inflation=inflation,
        noise_sigma=noise.sigma if isinstance(noise, GaussianNoise) else None,
        halo_gain=None if test is None else test.gain,
        halo_needed=None if test is None else test.needed,
        flags=guard.flags(layout, state, minimum.seen, WEAK_SHARE),
        converged=minimum.converged,
        iterations=minimum.iterations,
        gradient_norm=minimum.gradient_norm,
    )
