"""A first guess of everything but the positions: width, intensities, background."""

from dataclasses import replace
from math import log

import numpy as np
import torch
from torch import Tensor

from pann.core.errors import InputError
from pann.fitting.image_model import ImageModel
from pann.fitting.parameters import State
from pann.fitting.priors import WidthPrior

WIDTHS = tuple(0.2 * 1.25**k for k in range(9))
"""Core widths [Å] that are tried when the PSF is unknown: 0.2 to 1.2, in steps finer than the fit needs to converge."""
WIDTH_TILTS = 12
"""Images used to choose among them."""
LEAST_WIDTH = 0.45
"""Narrowest core that is tried, in pixels: a narrower Gaussian is not sampled."""
LEAST_SHARE = 0.1
"""Lowest intensity of a group at the start, as a share of the mean over all atoms."""


def first_guess(
    model: ImageModel,
    images: Tensor,
    state: State,
    relative: Tensor,
    search_width: bool,
    prior: WidthPrior | None = None,
) -> State:
    """`state` with intensities and backgrounds regressed on `images`, and the best of `WIDTHS` when asked.

    Parameters
    ----------
    images : (n_tilts, nx, ny).
    state : holds the positions and the PSF.
    relative : (n_groups,) intensities relative to one another, used where every atom has its own.
    search_width : whether to choose the width of the core.
    prior : of that width.
    """
    if search_width:
        n_tilts = model.layout.n_tilts
        chosen = torch.linspace(0, n_tilts - 1, min(WIDTH_TILTS, n_tilts), device=images.device).round().long()
        few, few_images = model.subset(chosen), images[chosen]
        least = LEAST_WIDTH * model.pixel_size
        widths = [width for width in WIDTHS if width > least] or [least]
        misfits = [
            few_images.numel() * log(_regress(few, few_images, _blank(few, state, width), relative)[1])
            + (0.0 if prior is None else (prior.offset(width) / prior.log_sd) ** 2)
            for width in widths
        ]
        state = replace(state, sigma=widths[int(np.argmin(misfits))])
    return _regress(model, images, state, relative)[0]


def _blank(model: ImageModel, state: State, sigma: float) -> State:
    """`state` for the images of `model`, without scale and shift."""
    ones = torch.ones(model.layout.n_tilts, dtype=torch.float64, device=state.scale.device)
    shifts = torch.zeros(len(ones), 2, dtype=torch.float64, device=ones.device)
    return replace(state, sigma=sigma, background=0 * ones, scale=ones, shifts=shifts)


def _regress(model: ImageModel, images: Tensor, state: State, relative: Tensor) -> tuple[State, float]:
    """Least squares for intensities and backgrounds; and the misfit that is left."""
    layout = model.layout
    bases = relative[None] if layout.per_atom else torch.eye(layout.n_groups, dtype=torch.float64, device=images.device)
    target = images.double() if model.extra is None else images.double() - model.extra.double()
    dark = torch.zeros_like(state.background)
    columns = [model.at(replace(state, intensity=basis, background=dark)).atoms.double() for basis in bases]
    axes = {"image": (1, 2), "shared": (0, 1, 2)}.get(layout.background)

    def centred(stack: Tensor) -> Tensor:
        return stack if axes is None else stack - stack.mean(axes, keepdim=True)

    design = torch.stack([centred(column).reshape(-1) for column in columns], 1)
    aim = centred(target).reshape(-1)
    single = design.sum(1)
    power = float(single @ single)
    mean = float(single @ aim) / power if power > 0 else 0.0
    if not mean > 0:
        raise InputError(
            "fit: the atoms do not show in the images at their projected positions: check the pixel size, the sign and "
            "order of the angles, and that the model is centred as the images are"
        )
    factors = torch.linalg.lstsq(design.T @ design, (design.T @ aim)[:, None], driver="gelsd").solution[:, 0]
    factors = factors.clamp(min=LEAST_SHARE * mean)
    misfit = float(((aim - design @ factors) ** 2).sum())
    rest = target - sum((factor * column for factor, column in zip(factors, columns, strict=True)), torch.zeros(()))
    flat = {"image": rest.mean((1, 2)), "shared": rest.mean().expand(layout.n_tilts)}
    return replace(state, intensity=factors @ bases, background=flat.get(layout.background, dark).clone()), misfit
