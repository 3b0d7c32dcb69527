"""Where in a particle each of its lattices is: where the counts agree with its mean cell.

The grains of a polycrystal share the images. A reflection of one is a sum over its own part of the particle, and the
noise of all other parts only hides it: within the right window it stands out by the root of one over the grain's share
of the particle more. The gradient of the likelihood (`pann.refiner.lattices.gradient`) is a density, so that a window
is a product. Times the mean cell, and averaged over some atoms, it says how strongly the lattice shows where; the cell
adds up the whole grain, so that this is sure long before single atoms are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pann.refiner.lattices.back_projection import wave
from pann.refiner.lattices.cell_average import cell_average
from pann.refiner.lattices.gradient import CountsGradient
from pann.refiner.lattices.spectrum import LEAST_POWER
from pann.refiner.lattices.waves import sum_of_waves

SMOOTH = 4.0
"""Width [Å] of the Gaussian over which counts and lattice are compared."""
SEEN = 0.2
"""Envelope from which on a place belongs to the particle."""
FULL = 0.8
"""A lattice is all there where it is stronger than in this share of the particle."""
THIN = 0.02
"""Share of the densest place, below which a strength is not divided by the density."""
LEAST = 0.02
"""No lattice is weaker anywhere, so that ratios are finite."""
SHARP = 4
"""Power of the ratio of two strengths: where another lattice is twice as strong, little is left of one."""
ROUNDS = 2
"""Times that mean cells and windows follow each other."""
LEAST_PART = 0.04
"""Share of the squared envelope that a window must show, for a lattice to be looked for there."""


def strength(gradient: CountsGradient, nodes: Tensor, cell: Tensor) -> Tensor:
    """How strongly the counts show a lattice at every place of `gradient.box`, from 0 to 1 where it is all there.

    Parameters
    ----------
    nodes : (n, 3) [1/Å], within the spectrum.
    cell : (n,) amplitudes of the waves there, of `cell_average`.
    """
    envelope = gradient.envelope.clamp(min=0)
    seen = envelope > SEEN
    if not seen.any():
        return torch.zeros_like(envelope)
    density = _averaged(gradient, envelope**2)
    shown = _averaged(gradient, gradient.values * sum_of_waves(cell, gradient.places, nodes))
    shown = shown / density.clamp(min=max(THIN * float(density.max()), LEAST_POWER))
    within = shown[seen].sort().values
    full = within[int(FULL * len(within))]
    return (shown / full).clamp(0, 1) if full > 0 else torch.zeros_like(envelope)


def outside(gradient: CountsGradient, nodes: Tensor) -> Tensor:
    """Where the lattice of `nodes` (n, 3) is not, 0 to 1 at every place of `gradient.box`."""
    return 1 - strength(gradient, nodes, cell_average(gradient, nodes)) ** 2


def is_worth_a_look(gradient: CountsGradient, window: Tensor) -> bool:
    """Whether `window` (of `gradient.box`) shows enough of the particle for a lattice to be found there."""
    squares = gradient.envelope**2
    return float((squares * window**2).sum()) > LEAST_PART * float(squares.sum())


class Grain(NamedTuple):
    """Where a lattice is.

    Attributes
    ----------
    window : (box.shape) how much of what lies at a place is its own, 0 to 1.
    part : the gradient within it.
    """

    window: Tensor
    part: CountsGradient

    def about(self, gradient: CountsGradient, nodes: Tensor, amplitudes: Tensor) -> Tensor:
        """`amplitudes` (n,) of waves at `nodes` (n, 3) about the centroid of the part, now about that of `gradient`."""
        here, there = (nodes.new_tensor(part.places.centre) for part in (self.part, gradient))
        return amplitudes * wave(nodes @ (there - here))


def grains_of(gradient: CountsGradient, lattices: Sequence[Tensor], trusts: Sequence[float | None]) -> list[Grain]:
    """Where each lattice is, given by its nodes (n, 3) [1/Å].

    That is everywhere, except where another is stronger, as far as that one is trusted (0 to 1). Windows and the mean
    cells within them follow each other. A trust of None is that of a lattice that is no grain of its own, but other
    reflections of the same places, or their ghosts: it takes no place from others, nor they from it.
    """
    grains = [Grain(torch.ones_like(gradient.envelope), gradient) for _ in lattices]
    for _ in range(ROUNDS):
        strengths = [
            strength(gradient, nodes, grain.about(gradient, nodes, cell_average(grain.part, nodes))).clamp(min=LEAST)
            for nodes, grain in zip(lattices, grains, strict=True)
        ]
        windows = [_window(k, strengths, trusts) for k in range(len(lattices))]
        grains = [Grain(window, gradient.within(window) if (window < 1).any() else gradient) for window in windows]
    return grains


def _window(k: int, strengths: Sequence[Tensor], trusts: Sequence[float | None]) -> Tensor:
    """That of lattice `k`, by the `strengths` of all."""
    window = torch.ones_like(strengths[k])
    for j, (other, trust) in enumerate(zip(strengths, trusts, strict=True)):
        if j != k and trust is not None and trusts[k] is not None:
            window = torch.minimum(window, 1 - trust * (1 - (strengths[k] / other).clamp(max=1) ** SHARP))
    return window


def _averaged(gradient: CountsGradient, values: Tensor) -> Tensor:
    """`values` (box.shape) times a Gaussian of width `SMOOTH` about every place."""
    widths = [SMOOTH / spacing for spacing in gradient.box.spacing]
    smooth = gaussian_filter(values.cpu().numpy(), widths, mode="constant", truncate=3.0)
    return torch.as_tensor(smooth, device=values.device)
