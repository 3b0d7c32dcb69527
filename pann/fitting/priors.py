"""What is known before the fit: Gaussian priors, each a precision and an offset of free parameters.

A faint halo and the background are one and the same to a noisy series, and so are a narrow core and noise under atoms
that do not exist. The priors keep them apart there; a bright series overrules them.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from pann.fitting.parameters import Layout, State


@dataclass(frozen=True)
class HaloPrior:
    """Of the halo: Gaussian in its weight and in the logarithm of its ratio."""

    weight: float = 0.18
    weight_sd: float = 0.1
    ratio: float = 3.0
    ratio_sd: float = 0.15


@dataclass(frozen=True)
class WidthPrior:
    """Of the core of the PSF: `sigma` [Å], and the standard deviation `log_sd` of its logarithm."""

    sigma: float
    log_sd: float

    def offset(self, sigma: float) -> float:
        """log(σ / prior's σ)."""
        return log(sigma / self.sigma)


@dataclass(frozen=True)
class PositionPrior:
    """Of the positions of atoms.

    Attributes
    ----------
    centre : (n_atoms, 3) [Å]; anything where the precision is zero.
    precision : (n_atoms, 3) [1/Å²] along x, y and z; zero for an atom of which nothing is known.
    doubt : factor of its standard deviation in the error bars: above 1 where the prior is trusted less than it is used.
    shared : whether it was learnt from the same images. It then knows what they say: both together are as certain as
        the better of the two along each axis, not as two that know nothing of each other.
    """

    centre: Tensor
    precision: Tensor
    doubt: float = 1.0
    shared: bool = False

    def counted(self, information: Tensor) -> Tensor:
        """Precision (n_atoms, 3) that the error bars add to the `information` (n_atoms, 3) of the images [1/Å²]."""
        precision = self.precision / self.doubt**2
        return (precision - information).clamp(min=0) if self.shared else precision


@dataclass(frozen=True)
class Priors:
    """All priors of a fit; None leaves one out.

    Attributes
    ----------
    halo, width, positions : see above.
    factor_sd : standard deviation of the factor of an atom about 1, where factors are free.
    unbiased_width : whether the width is that of the most probable PSF, whatever the positions, and not of the most
        probable PSF and positions together (`pann.fitting.optimise.width_freedom`).
    element_width_sd : ... of the logarithm of an element's width in units of the PSF's, where these are free.
    """

    halo: HaloPrior | None = None
    width: WidthPrior | None = None
    positions: PositionPrior | None = None
    factor_sd: float | None = None
    element_width_sd: float | None = None
    unbiased_width: bool = False

    def terms(self, layout: Layout, state: State) -> tuple[Tensor, Tensor]:
        """Precision and offset of every free parameter, (n_parameters,) each."""
        precision = torch.zeros(layout.n_parameters, dtype=torch.float64, device=state.positions.device)
        offset = torch.zeros_like(precision)
        precisions, offsets = layout.split(precision), layout.split(offset)

        def add(kind: str, sd: float, away: Tensor | float) -> None:
            precisions[kind] += sd**-2
            offsets[kind] += away

        if self.positions is not None:
            precisions["positions"] += self.positions.precision
            known = self.positions.precision > 0
            offsets["positions"] += torch.where(known, state.positions - self.positions.centre, 0.0)
        if layout.factors and self.factor_sd is not None:
            add("factor", self.factor_sd, 0.0 if state.factor is None else state.factor - 1)
        if layout.element_widths and self.element_width_sd is not None:
            add("element_width", self.element_width_sd, 0.0 if state.widths is None else state.widths)
        if layout.width and self.width is not None:
            add("width", self.width.log_sd, self.width.offset(state.sigma))
        if layout.halo_weight and self.halo is not None:
            add("halo_weight", self.halo.weight_sd, state.weights[1] - self.halo.weight)
        if layout.halo_ratio and self.halo is not None:
            add("halo_ratio", self.halo.ratio_sd, log(state.ratios[1] / self.halo.ratio))
        return precision, offset
