"""From series, model and options to the layout, the limits and the state that a fit starts from."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pann.core import AtomicModel, ConfigError, InputError, PointSpread, TiltSeries
from pann.fitting.guards import Guard
from pann.fitting.likelihood import GaussianNoise, PoissonNoise
from pann.fitting.parameters import Layout, State
from pann.fitting.priors import PositionPrior, Priors, WidthPrior
from pann.fitting.stages import Stage
from pann.fitting.start import first_guess

UNKNOWN_WIDTH = 0.5
"""Core width [Å] that stands in the state until one is chosen."""
RELATIVE_FLOOR = 1e-3
"""Lower limit of intensities, and of backgrounds of counts, as a share of their typical value at the start."""
LEAST_EXPECTED = 1e-6
"""Expected counts below this share of the mean are not believed: they would make one stray electron decisive."""
RELATIVE_RANGE = (0.3, 3.0)
"""Range of the intensities that single atoms start from, relative to the median."""


def layout_of(series: TiltSeries, model: AtomicModel, per_atom: bool, **free: bool | int | str) -> Layout:
    """Layout with one intensity per atom, or one per element (atoms of unknown element share one)."""
    if not len(model):
        raise InputError(f"{model.name}: there are no atoms to fit: lower the threshold of the tracing")
    kind = np.unique(model.numbers, return_inverse=True)[1]
    group = np.arange(len(model)) if per_atom else kind
    kinds = torch.as_tensor(kind) if free.get("element_widths") else None
    return Layout(torch.as_tensor(group), series.n_tilts, kind=kinds, **free)  # type: ignore[arg-type]


def priors_of(
    model: AtomicModel,
    width: float | None,
    width_sd: float,
    unbiased_width: bool,
    positions: ArrayLike | None,
    centre: ArrayLike | None,
    doubt: float,
    shared: bool,
    factor_sd: float,
    element_width_sd: float,
    device: str,
) -> Priors:
    """Priors from the options of a fit, checked; the halo's is that of a stage.

    Parameters
    ----------
    width, width_sd : [Å] of the core of the PSF, None for none, and the standard deviation of its logarithm.
    unbiased_width : as in `Priors`.
    positions : standard deviation [Å] of the positions, broadcast to (n_atoms, 3); None for none.
    centre : (n_atoms, 3) [Å] what they are expected to be, NaN for an atom of which nothing is known; by default those
        of `model`.
    doubt, shared : as in `PositionPrior`.
    """
    if not doubt > 0:
        raise ConfigError(f"fit.prior_doubt={doubt}: expected a positive factor of the prior's standard deviation")
    if width is not None and not (width > 0 and width_sd > 0):
        raise ConfigError(f"fit.width_prior={width} ± {width_sd}: expected positive numbers, or null for no prior")
    place = None
    if positions is not None:
        shape = model.positions.shape
        spread = np.asarray(positions, dtype=np.float64)
        if spread.shape not in ((), (3,), shape) or not np.all(spread > 0):
            raise ConfigError(
                f"fit.position_prior={positions}: expected a positive standard deviation [Å], three of them for x, y "
                "and z, or null for no prior"
            )
        expected = np.asarray(model.positions if centre is None else centre, dtype=np.float64)
        if expected.shape != shape:
            raise InputError(f"fit: prior_positions have shape {expected.shape}, the atoms {shape}: give one per atom")
        precision = np.where(np.isfinite(expected).all(1, keepdims=True), np.broadcast_to(spread**-2.0, shape), 0.0)
        place = PositionPrior(
            torch.tensor(np.nan_to_num(expected), device=device), torch.tensor(precision, device=device), doubt, shared
        )
    core = None if width is None else WidthPrior(width, width_sd)
    return Priors(
        width=core,
        positions=place,
        factor_sd=factor_sd,
        element_width_sd=element_width_sd,
        unbiased_width=unbiased_width,
    )


def starting_point(
    series: TiltSeries, model: AtomicModel, layout: Layout, stage: Stage, psf: PointSpread | None
) -> State:
    """State at the positions of `model`, the rest regressed on the images; tells the guard what is too little."""
    device = stage.images.device
    tilts = torch.ones(series.n_tilts, dtype=torch.float64, device=device)
    state = State(
        positions=torch.tensor(model.positions, device=device),
        intensity=torch.ones(layout.n_groups, dtype=torch.float64, device=device),
        background=torch.zeros_like(tilts),
        scale=tilts,
        shifts=torch.zeros(series.n_tilts, 2, dtype=torch.float64, device=device),
        sigma=UNKNOWN_WIDTH,
    )
    state = state if psf is None else state.with_psf(psf)
    relative = _relative_intensities(model, layout).to(device)
    state = first_guess(stage.model(layout), stage.images, state, relative, psf is None, stage.priors.width)
    stage.guard.intensity_floor = torch.full_like(state.intensity, RELATIVE_FLOOR * float(state.intensity.median()))
    return stage.guard.confine(state, state)


def _relative_intensities(model: AtomicModel, layout: Layout) -> Tensor:
    """Intensities of the groups relative to one another at the start (n_groups,)."""
    if not layout.per_atom or model.intensities is None:
        return torch.ones(layout.n_groups, dtype=torch.float64)
    measured = torch.tensor(model.intensities)
    return (measured / measured.median()).nan_to_num(1.0).clamp(*RELATIVE_RANGE)


def stage_of(
    series: TiltSeries,
    model: AtomicModel,
    layout: Layout,
    background_images: ArrayLike | None,
    max_shift: float,
    min_distance: float,
    max_iterations: int,
    device: str,
    progress: bool,
    priors: Priors,
) -> Stage:
    """Images, noise and limits on `device`."""
    extra = None
    if background_images is not None:
        rest = np.asarray(background_images, dtype=np.float32)
        if rest.shape != series.images.shape:
            raise InputError(
                f"fit: background_images have shape {rest.shape}, the series {series.images.shape}: give one per image"
            )
        extra = torch.tensor(rest, device=device)
    mean = float(series.images.mean(dtype=np.float64))
    counts = series.kind == "counts"
    guard = Guard(
        start=torch.tensor(model.positions, device=device),
        max_shift=max_shift,
        min_distance=min_distance,
        intensity_floor=torch.zeros(layout.n_groups, dtype=torch.float64, device=device),
        background_floor=RELATIVE_FLOOR * mean if counts and layout.background != "none" else -float("inf"),
    )
    return Stage(
        images=torch.tensor(series.images, device=device),
        rotations=torch.tensor(series.rotations, device=device),
        pixel_size=series.pixel_size,
        extra=extra,
        noise=PoissonNoise(LEAST_EXPECTED * mean) if counts else GaussianNoise(1.0),
        guard=guard,
        max_iterations=max_iterations,
        progress=progress,
        priors=priors,
    )
