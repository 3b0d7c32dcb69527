"""The atoms of the unit cell of a lattice: where they are, and how surely the counts show them.

A mean cell blurs each atom by what the images do not know: the missing wedge draws it out, and the ripples about a
heavy one hide a light one. So its atoms are found one after the other, each where the counts want most after what those
before it explain is taken away (CLEAN: Högbom, Astron. Astrophys. Suppl. 15, 417 (1974)), all of them fitted together
each time. With B the components of the gradient of the likelihood at the nodes k, f their Fisher information
(`pann.refiner.lattices.gradient`), c an amplitude and p the transfer of an atom,

    B(k) = Σ c p(k) f(k) exp(−2πi k d) + noise of variance f,

and c is known to (2 Σ p² f)^−½. That is so as far as f is known: where the fit is worse than noise allows, its errors
count as noise, as if they were as large at every node.
"""

from dataclasses import dataclass
from itertools import combinations
from math import ceil, pi

import torch
from torch import Tensor

from pann.refiner.lattices.back_projection import wave
from pann.refiner.lattices.gradient import CountsGradient, transfer_at
from pann.refiner.lattices.spectrum import LEAST_POWER
from pann.refiner.lattices.waves import Places, sum_of_waves

WIDTHS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
"""Of atoms that are tried [Å]."""
STEP = 0.25
"""Between displacements that are looked at [Å]."""
LEAST_Z = 6.0
"""Standard deviations of noise, and of the errors of the fit, that an atom must have."""
LEAST_SHARE = 0.03
"""Amplitude of the lightest atom, as a share of that of the heaviest: what is less may be a ghost of it."""
NEAREST = 1.7
"""Between two atoms [Å]; ghosts of an atom that is not quite as it is thought lie nearer."""
MOST = 8
"""Atoms of a cell."""
FIT_STEPS = 3
LONGEST_STEP = 0.15
"""Of an atom in one step of the fit [Å]."""
HELD = 1e-3
"""Share by which the curvature is raised, so that atoms that the counts hardly tell apart stay where they are."""
ALIKE = 0.02
"""Distance of a node from a whole number of basis vectors of its lattice that is rounding."""
SHORTEST = 12
"""Nodes among which a basis is looked for."""
WIDTH = 0.5
"""Of the Gaussians that show the atoms [Å]."""


@dataclass(frozen=True, eq=False)
class Sites:
    """Atoms of a unit cell.

    Attributes
    ----------
    displacements : (n, 3) from the centroid of the particle [Å].
    z : (n,) amplitudes in standard deviations of their noise and of the errors of the fit.
    """

    displacements: Tensor
    z: Tensor

    def amplitudes(self, nodes: Tensor) -> Tensor:
        """Of the waves at `nodes` (n, 3) whose sum has a peak of height √z at every atom; (n,)."""
        transfer = transfer_at(nodes.norm(dim=-1), WIDTH)
        heights = self.z.clamp(min=0).sqrt().to(torch.complex64)
        return transfer / transfer.sum().clamp(min=LEAST_POWER) * (_phases(nodes, self.displacements) @ heights)


def sites_of(gradient: CountsGradient, nodes: Tensor) -> Sites:
    """The atoms that repeat with the lattice of `nodes` (n, 3) [1/Å], all within the spectrum, as they are found.

    Of twins, whose nodes have no common basis, the one that all grains share.
    """
    none = Sites(nodes.new_zeros((0, 3)), nodes.new_zeros(0))
    if len(nodes) < 3:
        return none
    components = gradient.components_at(nodes)
    information, _ = gradient.information_at(nodes)
    basis = basis_of(nodes)
    cube = _cube(nodes)
    places = torch.stack(torch.meshgrid(*cube.axes, indexing="ij"), dim=-1).view(-1, 3)
    best, left, width = none, components, WIDTHS[len(WIDTHS) // 2]
    for _ in range(MOST if basis is not None else 1):
        transfer = transfer_at(nodes.norm(dim=-1), width)
        heights = sum_of_waves(transfer * left, cube, nodes).flatten() / _size(transfer, information)
        candidates = (heights > LEAST_Z).nonzero().flatten()
        if basis is not None:
            candidates = candidates[_nearest(places[candidates], best.displacements, basis) > NEAREST]
        if len(candidates) == 0:
            break
        highest = candidates[heights[candidates].argmax()]
        more = torch.cat([best.displacements, places[highest][None]])
        widths = (width,) if len(best.z) else WIDTHS
        fits = [_fitted(components, information, nodes, more, one) for one in widths]
        displacements, amplitudes, misfit, width = min(fits, key=lambda fit: fit[2])
        transfer = transfer_at(nodes.norm(dim=-1), width)
        z = amplitudes * 2 * _size(transfer, information) / max(misfit, 1.0) ** 0.5
        if amplitudes.min() < LEAST_SHARE * amplitudes.max() or z.min() < LEAST_Z:
            break
        best = Sites(displacements, z)
        left = components - transfer * information * (_phases(nodes, displacements) @ amplitudes.to(torch.complex64))
    return best


def basis_of(nodes: Tensor) -> Tensor | None:
    """(3, 3) rows that generate the reciprocal lattice of `nodes` (n, 3); None for those of twins."""
    shortest = nodes[nodes.norm(dim=-1).argsort()[:SHORTEST]].double()
    choices = torch.tensor(list(combinations(range(len(shortest)), 3)), device=nodes.device)
    bases = shortest[choices]
    volumes = torch.linalg.det(bases).abs()
    bases = bases[volumes > volumes.max() / 100]  # the others are flat
    whole = nodes.double() @ torch.linalg.inv(bases)
    fits = (whole - whole.round()).abs().amax(dim=(1, 2)) < ALIKE
    return bases[fits][0].to(nodes.dtype) if fits.any() else None


def _nearest(places: Tensor, known: Tensor, basis: Tensor) -> Tensor:
    """(n,) how far [Å] each of `places` (n, 3) is from the nearest of the `known` (m, 3) and their repeats."""
    nearest = places.new_full((len(places),), torch.inf)
    vectors = torch.linalg.inv(basis).T  # of the lattice itself, in rows
    around = torch.cartesian_prod(*[torch.arange(-1.0, 2.0, device=places.device)] * 3) @ vectors
    for one in known:
        offset = places - one
        offset = offset - (offset @ basis.T).round() @ vectors
        nearest = torch.minimum(nearest, torch.cdist(offset, around).amin(dim=1))
    return nearest


def _fitted(
    components: Tensor, information: Tensor, nodes: Tensor, displacements: Tensor, width: float
) -> tuple[Tensor, Tensor, float, float]:
    """Least squares of atoms of `width`: displacements, amplitudes, χ² per degree of freedom, `width`.

    By steps of Gauss and Newton.
    """
    transfer, deviation = transfer_at(nodes.norm(dim=-1), width), information.sqrt()
    seen = _real(components / deviation)

    def waves_of(displacements: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        waves = (transfer * deviation)[:, None] * _phases(nodes, displacements)
        amplitudes = torch.linalg.lstsq(_real(waves), seen[:, None]).solution[:, 0]
        return waves, amplitudes, seen - _real(waves) @ amplitudes

    for _ in range(FIT_STEPS):
        waves, amplitudes, rest = waves_of(displacements)
        slopes = [waves * amplitudes * (-2j * pi * nodes[:, axis, None]) for axis in range(3)]
        model = _real(torch.cat([waves, *slopes], dim=1))
        curvature = model.T @ model
        curvature = curvature + torch.diag(HELD * curvature.diagonal() + LEAST_POWER)
        step = torch.linalg.solve(curvature, model.T @ rest)[len(displacements) :].view(3, -1).T
        displacements = displacements + step * (LONGEST_STEP / step.norm(dim=1, keepdim=True).clamp(min=LONGEST_STEP))
    _, amplitudes, rest = waves_of(displacements)
    freedom = max(len(rest) - displacements.numel() - len(displacements), 1)
    return displacements, amplitudes, 2 * float((rest**2).sum()) / freedom, width


def _cube(nodes: Tensor) -> Places:
    """A grid over a cube in which each atom occurs: that of fcc, which is the largest for a given shortest node."""
    side = float(3**0.5 / nodes.norm(dim=-1).min())
    count = max(ceil(side / STEP), 1)
    steps = (torch.arange(count, device=nodes.device) - (count - 1) / 2) * (side / count)
    return Places((steps, steps, steps), (0.0, 0.0, 0.0))


def _size(transfer: Tensor, information: Tensor) -> Tensor:
    """Standard deviation of the real sum of the waves of noise, seen by an atom."""
    return ((transfer**2 * information).sum() / 2).sqrt().clamp(min=LEAST_POWER)


def _phases(nodes: Tensor, displacements: Tensor) -> Tensor:
    """exp(−2πi k d), (n, m) for `nodes` (n, 3) and `displacements` (m, 3)."""
    return wave(-nodes @ displacements.T)


def _real(values: Tensor) -> Tensor:
    """Complex (n, ...) as real (2 n, ...)."""
    return torch.cat([values.real, values.imag])
