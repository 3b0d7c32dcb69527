"""What a fit hands back, from where the minimiser stopped."""

from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import AtomicModel, TiltSeries
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.fitting.fisher import position_covariance
from pann.fitting.guards import Guard
from pann.fitting.likelihood import GaussianNoise
from pann.fitting.optimise import Minimum
from pann.fitting.parameters import Layout, State
from pann.fitting.result import FitResult
from pann.fitting.stages import HaloTest
from pann.fitting.turns import euler_angles
from pann.fitting.widening import widened
from pann.metrics import r_factor, r_factor_per_tilt

WEAK_SHARE = 0.25
"""An atom below this share of the median intensity is flagged as weak."""
SIGNAL_SHARE = 0.05
"""A pixel shows atoms where they give more than this share of the brightest pixel of the image."""


def assemble(
    series: TiltSeries,
    model: AtomicModel,
    minimum: Minimum,
    guard: Guard,
    before: NDArray[np.float32],
    test: HaloTest | None,
    method: str,
    inflate: bool,
) -> FitResult:
    """The result of a fit of `model` to `series`.

    Parameters
    ----------
    before : images expected before it.
    test : for a halo.
    method : "full", "blocks" or "none", of the covariance.
    inflate : whether the covariance is widened by the reduced χ².
    """
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
    known = problem.priors.positions
    precision_of_positions = None
    bound = posterior = float("nan")
    if method != "none":
        precision, _ = problem.prior_terms(state)
        of_positions = layout.split(precision)["positions"]
        of_positions.zero_()

        def covariance_now() -> Tensor:
            return position_covariance(expansion, weights, precision, method == "full", guard.max_shift)

        covariance = covariance_now()
        bound = posterior = _root_mean_square(covariance, minimum.seen)
        if known is not None:
            counted = known.counted(1 / covariance.diagonal(dim1=1, dim2=2))
            precision_of_positions = counted.cpu().numpy()
            of_positions.copy_(counted)
            covariance = covariance_now()
            posterior = _root_mean_square(covariance, minimum.seen)
        fitted = fitted.replace(covariance=widened(covariance.cpu().numpy(), inflation, precision_of_positions))
    return FitResult(
        model=fitted,
        psf=state.psf,
        background=background,
        surface=None if state.surface is None else state.surface.cpu().numpy(),
        saturation=state.saturation,
        attenuation=state.attenuation,
        element_widths=_widths(model, layout, state),
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
        posterior_pm=posterior,
        bound_is_full=method == "full",
        position_precision=precision_of_positions,
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


def _root_mean_square(covariance: Tensor, seen: Tensor) -> float:
    """Standard deviation of a position in 3D [pm], over the atoms that are `seen`; NaN for none."""
    variance = covariance.diagonal(dim1=1, dim2=2).sum(1)[seen]
    return PICOMETRES_PER_ANGSTROM * sqrt(float(variance.mean())) if len(variance) else float("nan")


def _widths(model: AtomicModel, layout: Layout, state: State) -> dict[int, float] | None:
    """Width of the core by atomic number [Å], None where all have that of the PSF."""
    if state.widths is None or layout.kind is None:
        return None
    widths = state.core_widths(layout.kind).cpu().numpy()
    kinds, first = np.unique(model.numbers, return_index=True)
    return {int(kind): float(width) for kind, width in zip(kinds, widths[first], strict=True)}
