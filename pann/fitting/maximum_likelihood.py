"""The fit: from a traced model to the most likely one, with error bars."""

from dataclasses import replace
from typing import Literal, get_args

from numpy.typing import ArrayLike

from pann.core import AtomicModel, ConfigError, PointSpread, TiltSeries
from pann.fitting.assemble import assemble
from pann.fitting.optimise import Minimum
from pann.fitting.parameters import Layout, State
from pann.fitting.priors import HaloPrior
from pann.fitting.result import FitResult
from pann.fitting.setup import layout_of, priors_of, stage_of, starting_point
from pann.fitting.stages import HaloTest, Stage, fit_with_halo

Intensities = Literal["element", "atom", "factor"]
Background = Literal["image", "shared", "none"]
Halo = Literal["auto", "free", "fixed"]
Covariance = Literal["auto", "full", "blocks", "none"]


def fit(
    series: TiltSeries,
    model: AtomicModel,
    *,
    psf: PointSpread | None = None,
    fit_width: bool = True,
    width_prior: float | None = 0.4,
    width_prior_sd: float = 0.25,
    unbiased_width: bool = True,
    element_widths: bool = False,
    element_width_sd: float = 0.1,
    halo: Halo = "auto",
    halo_prior: dict[str, float] | None = None,
    intensities: Intensities = "element",
    factor_sd: float = 0.1,
    background: Background = "image",
    surface: int = 0,
    saturation: bool = False,
    attenuation: bool = False,
    position_prior: ArrayLike | None = None,
    prior_positions: ArrayLike | None = None,
    prior_doubt: float = 1.0,
    prior_shared: bool = False,
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
    width_prior, width_prior_sd : [Å] what the core of the PSF is expected to be, and the standard deviation of its
        logarithm; None for no prior. A series of some hundred electrons overrules it.
    unbiased_width : whether the width is corrected for the positions that are fitted beside it
        (`pann.fitting.optimise.width_freedom`): by a few thousandths in a bright series; where a few electrons are all
        that an atom has, it would else shrink until atoms explain single electrons.
    element_widths : whether the core has a width of its own for each element (for all unknown atoms together), as
        thermal motion and the elements' own profiles make it.
    element_width_sd : standard deviation of the logarithm of these in units of the common width, before the fit.
    halo : "auto" adds a wider Gaussian to a PSF of one when the likelihood gains enough (BIC), and fits that of a PSF
        of two; "free" fits a halo in any case; "fixed" keeps the shape of the PSF as given, one Gaussian if none.
    halo_prior : weight, weight_sd, ratio, ratio_sd of `HaloPrior`; by default 0.18 ± 0.1 and 3 ± 15 %.
    intensities : "element" for one intensity per element (one for all unknown atoms), "atom" for one per atom,
        "factor" for one per element times a factor of each atom, which is 1 ± `factor_sd` before the fit.
    background : a constant for each "image", one "shared" by all, or "none".
    surface : order of the polynomial that is added to the background of each image, for a support film
        (`pann.fitting.surface`); 0 for none.
    saturation : whether the images saturate, L / (1 + β L) in place of the sum L of the atoms, with β ≥ 0 fitted.
    attenuation : whether the intensity of an atom falls along the beam, exp(−α z) with z counted from the centre of
        rotation; α of either sign is fitted (`pann.fitting.image_model`).
    position_prior : standard deviation [Å] of the positions about `prior_positions` before the fit, one number, three
        for x, y and z, or (n_atoms, 3); None for no prior. The fit is then the most probable model, biased towards
        the prior, and its covariance that of the posterior: error bars are as good as the prior is true.
    prior_positions : (n_atoms, 3) [Å] centres of that prior, NaN for an atom without one; those of `model` by default.
    prior_doubt : the error bars count that prior with so many times its standard deviation: above 1 where it is used
        more narrowly than it is trusted.
    prior_shared : whether it was learnt from these images and knows what they say: the error bars then count of it only
        what exceeds that, along each axis.
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
        attenuation=attenuation,
        element_widths=element_widths,
        factors=intensities == "factor",
        scale=scales,
        shifts=shifts,
        turns=angles,
        width=fit_width,
    )
    priors = priors_of(
        model,
        width_prior,
        width_prior_sd,
        unbiased_width,
        position_prior,
        prior_positions,
        prior_doubt,
        prior_shared,
        factor_sd,
        element_width_sd,
        device,
    )
    stage = stage_of(
        series, model, layout, background_images, max_shift, min_distance, max_iterations, device, progress, priors
    )
    state = starting_point(series, model, layout, stage, psf)
    before = stage.model(layout).at(state).images.cpu().numpy()
    minimum, test = _fit_stages(stage, layout, state, HaloPrior(**(halo_prior or {})), halo, tolerance)
    if covariance == "auto":
        covariance = "full" if len(model) < full_covariance_below else "blocks"
    return assemble(series, model, minimum, stage.guard, before, test, covariance, inflate)


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
