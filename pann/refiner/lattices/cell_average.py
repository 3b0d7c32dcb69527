"""The mean unit cell of a lattice in the counts, repeated everywhere: sites, also where atoms hardly show.

Averaged over all cells of a crystal, the noise of its density falls by the root of their number, and light atoms and
faint ends of a particle get the sites of the rest. In Fourier space the average is the sum over the nodes of the
reciprocal lattice alone, each with its exact amplitude and phase (averaging over unit cells, as in the electron
crystallography of two-dimensional crystals: Henderson and Unwin, Nature 257, 28 (1975)). A filter of the components of
a volume passes those next to a node as well, and with them noise that bends the lattice where the crystal is faint.
The amplitudes are those that the counts want, see `pann.refiner.lattices.gradient`.
"""

from math import pi

import torch
from torch import Tensor

from pann.refiner.lattices.gradient import CountsGradient, likeliest, transfer_at
from pann.refiner.lattices.spectrum import LEAST_POWER, power

USUAL_SIGNAL = 4.0
"""Power of a node, over that of noise, above which its size hardly counts any more in the fit."""
FIT_STEPS = 8
HELD = 0.02
"""Weight of the squared changes of the lattice, in units in which atoms at its rim move by about a node's period."""


def cell_average(gradient: CountsGradient, nodes: Tensor) -> Tensor:
    """The mean cell of the lattice of `nodes` (n, 3), all within the spectrum: amplitudes (n,) of the waves there.

    Their sum has a standard deviation of one.
    """
    information, _ = gradient.information_at(nodes)
    amplitudes, _ = likeliest(gradient.components_at(nodes), information, transfer_at(nodes.norm(dim=-1)))
    return amplitudes / (power(amplitudes).sum() / 2).sqrt().clamp(min=LEAST_POWER)


def seen_nodes(gradient: CountsGradient, nodes: Tensor) -> Tensor:
    """Those of `nodes` (n, 3) within the spectrum."""
    return nodes[gradient.looked_up(gradient.information, nodes) > 0]


def fitted_nodes(gradient: CountsGradient, nodes: Tensor) -> Tensor:
    """`nodes` (n, 3) of a lattice [1/Å], turned and strained as a whole to where they are strongest in the counts.

    The sum of w ln(1 + p / `USUAL_SIGNAL`) over the nodes, p the power over that of noise, is climbed by steps of a
    Newton method whose curvature is that of the Fourier transform of the whole density about a node. An error δk of a
    node is a phase of 2π R δk at the rim of a particle of radius R: the nearest component is not good enough. Atoms of
    width σ scatter less to the outside, which draws the nodes inwards by σ² / (s² + σ²), s² the variance of the density
    along an axis: the sites at the rim of a ball of 20 Å are off by 0.11 Å where σ is 0.48 Å, of one of 40 Å by 0.06 Å.
    """
    nodes = seen_nodes(gradient, nodes)
    if len(nodes) == 0:
        return nodes
    weight = transfer_at(nodes.norm(dim=-1)) ** 2 * gradient.information_at(nodes)[0]
    weight = weight / weight.max()
    spread = (2 * pi) ** 2 * gradient.places.covariance(gradient.envelope)
    usual_curvature = float(spread.diagonal().mean() * (nodes**2).sum(1).mean())
    held = HELD * max(usual_curvature, LEAST_POWER) * torch.eye(9, device=nodes.device)

    def climb(moved: Tensor) -> tuple[float, Tensor, Tensor]:
        transform, slope = gradient.slopes_at(moved)
        information, growth = gradient.information_at(moved)
        signal = power(transform) / (USUAL_SIGNAL * information)
        height = float((weight * torch.log1p(signal)).sum())
        share = weight / (1 + signal)
        rise = 2 * (transform.conj()[:, None] * slope).real / USUAL_SIGNAL - signal[:, None] * growth
        uphill = rise / information[:, None] * share[:, None]
        curvature = torch.einsum("n,ni,nj,kl->ikjl", 2 * share * signal, nodes, nodes, spread).reshape(9, 9)
        return height, (nodes.T @ uphill).flatten(), curvature

    change = torch.zeros(9, device=nodes.device)
    height, uphill, curvature = climb(nodes)
    size = 1.0
    for _ in range(FIT_STEPS):
        step = size * torch.linalg.solve(curvature + held, uphill - held @ change)
        trial = change + step
        there = climb(nodes + nodes @ trial.view(3, 3))
        if there[0] > height:
            change, (height, uphill, curvature), size = trial, there, min(2 * size, 1.0)
        else:
            size /= 4
    return nodes + nodes @ change.view(3, 3)
