"""Which lattices lie in the counts: a search by the phases of reflections.

Were there an atom at every site of a lattice, displaced by d from the centre, the components of the gradient at its
nodes would be a p f exp(−2πi k d), with p what the images leave of an atom (`pann.refiner.lattices.gradient`). How much
more likely that makes the counts than no detail at all, at the best a and d, is z² / 2 with

    z = max_d Re Σ p B exp(2πi k d) / √(½ Σ p² f),

which in noise has a variance of one. The powers of the components alone do not tell a crystal from a glass, whose
components are strong all around; and a reconstruction loses much of what the counts know.
"""

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

import torch
from torch import Tensor

from pann.refiner.lattices.back_projection import wave
from pann.refiner.lattices.cell_average import fitted_nodes, seen_nodes
from pann.refiner.lattices.gradient import CountsGradient, transfer_at
from pann.refiner.lattices.grains import is_worth_a_look, outside
from pann.refiner.lattices.orientation import (
    GRAINS,
    SEARCH,
    Lattice,
    both_halves,
    changed,
    component_at,
    spots,
    templates_on,
)

CAPPED = 10.0
"""Rise above which a component counts no more in the first search, so that one alone makes no lattice."""
PER_TEMPLATE = 12
"""Orientations of each cell whose phases are looked at."""
BEST = 12
"""Lattices that are improved."""
FINALISTS = 4
"""Of these, those whose nodes are computed exactly."""
STEP = 0.5
"""Between displacements [Å] that are tried first."""
FINER = 7.0
"""Height z from which a lattice of more reflections takes the place of one that is part of it."""
ALIKE = 0.03
"""Distance [1/Å] within which reflections of two lattices are one."""
INNER = 0.6
"""Up to here [1/Å] they are compared."""
SHARED, MORE = 0.9, 1.2
"""Share of the reflections of a lattice that must be those of another, for it to be part of that; and how many times as
many that must have, lest what is left beside the reflections of a lattice take its place."""
LEAST_SIZE = 1e-12
"""No lattice has less information, so that z is finite."""


class Guess(NamedTuple):
    """A lattice that may be there.

    Attributes
    ----------
    z : how far above noise.
    nodes : (n, 3) [1/Å].
    displacement : (3,) of an atom from the centroid [Å].
    side : edge [Å] of a cube in which each of its atoms occurs.
    """

    z: float
    nodes: Tensor
    displacement: Tensor
    side: float


class _Table(NamedTuple):
    """What hypotheses are looked up in, in rows as of `both_halves`: p² f, its product with the rise, and p B."""

    gradient: CountsGradient
    weight: Tensor
    risen: Tensor
    amplitude: Tensor

    @classmethod
    def of(cls, gradient: CountsGradient, left: Tensor) -> "_Table":
        """That of the share `left` (kx, ky, kz) of the components."""
        transfer = transfer_at(gradient.spectrum.radius)
        weight = transfer**2 * gradient.information * left
        risen = gradient.rise.clamp(max=CAPPED) * weight
        amplitude = transfer * gradient.about_centroid * left * gradient.spectrum.inside
        return cls(gradient, both_halves(weight), both_halves(risen), both_halves(amplitude))

    def best(self, nodes: Tensor, centre: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Heights z (m,) of lattices with `nodes` (m, n, 3), and the displacements (m, 3), see `_peaks`."""
        place = component_at(self.gradient.spectrum, nodes.permute(2, 0, 1))
        sizes = (self.weight[place].sum(-1) / 2).clamp(min=LEAST_SIZE).sqrt()
        heights, displacements = _peaks(nodes, self.amplitude[place], centre, steps)
        return heights / sizes, displacements


def lattices_in(gradient: CountsGradient, known: Sequence[Lattice] = ()) -> list[Lattice]:
    """The `GRAINS` lattices that stand out most, each in what those before it leave.

    What they leave are other reflections of the whole particle, or all reflections of the part of it where they are not
    (`pann.refiner.lattices.grains`), whichever shows a lattice more clearly.

    Where two kinds of atoms scatter alike, a crystal shows the reflections of a smaller cell first, and those that tell
    its own cell are found in what these leave: both together are one lattice then.

    Parameters
    ----------
    gradient : in which they are looked for.
    known : others that shall be tried, too.

    Returns
    -------
    Lattices whose score is z. The best of all hypotheses reaches 6 to 8 in noise, and more in a glass.
    """
    with torch.no_grad(), torch.autocast(gradient.values.device.type, enabled=False):  # phases need all digits
        left = torch.ones_like(gradient.spectrum.radius)
        rest = torch.ones_like(gradient.envelope)
        found: list[Lattice] = []
        while len(found) < GRAINS:
            best, apart = _best(gradient, left, known), False
            if found and is_worth_a_look(gradient, rest):
                beside = _best(gradient.within(rest), left)
                best, apart = (beside, True) if beside.z > best.z else (best, False)
            parts = [k for k, other in enumerate(found) if best.z > FINER and _is_part(other.nodes, best.nodes)]
            if parts:
                part = found[parts[0]]
                found[parts[0]] = Lattice(best.nodes, hypot(best.z, part.score), part.apart)
            else:
                found.append(Lattice(best.nodes, best.z, apart))
            left = left * (1 - spots(gradient.spectrum, best.nodes))
            rest = rest * outside(gradient, best.nodes)
        return found


def have_one_cell(nodes: Tensor, others: Tensor) -> bool:
    """Whether the lattices of `nodes` (n, 3) and `others` (m, 3) may be one but for their orientation: by the sizes."""
    one, two = (part.norm(dim=-1) for part in (nodes, others))
    apart = (one[one < INNER, None] - two[two < INNER]).abs()
    return apart.numel() > 0 and bool((apart.amin(1) < ALIKE).all() and (apart.amin(0) < ALIKE).all())


def _best(gradient: CountsGradient, left: Tensor, known: Sequence[Lattice] = ()) -> Guess:
    """The best lattice in the share `left` of the components, among all hypotheses and those that are `known`."""
    guesses = sorted(_searched(_Table.of(gradient, left)), key=lambda guess: -guess.z)[:FINALISTS]
    guesses += [_guess_of(lattice) for lattice in known]
    best = max((_exact(gradient, left, guess) for guess in guesses), key=lambda guess: guess.z)
    fitted = _exact(gradient, left, best._replace(nodes=fitted_nodes(gradient, best.nodes)))
    return max(best, fitted, key=lambda guess: guess.z)


def _searched(table: _Table) -> list[Guess]:
    """The best of all hypotheses, improved."""
    guesses = []
    centre = torch.zeros(3, device=table.weight.device)
    for template in templates_on(table.weight.device):
        place = component_at(table.gradient.spectrum, template.turned)
        weight, risen = table.weight[place], table.risen[place]
        scores = risen.sum(-1) / (weight**2).sum(-1).clamp(min=1e-12).sqrt()
        turns = scores.topk(PER_TEMPLATE).indices
        z, displacements = table.best(template.turned.permute(1, 2, 0)[turns], centre, _steps(template.side, STEP))
        guesses += [
            Guess(height, template.nodes @ template.turns[turn].T, displacement, template.side)
            for height, turn, displacement in zip(z.tolist(), turns, displacements, strict=True)
        ]
    guesses.sort(key=lambda guess: -guess.z)
    return [_improved(table, guess) for guess in guesses[:BEST]]


def _improved(table: _Table, guess: Guess) -> Guess:
    """Turned, scaled, strained and displaced a little, at random, wherever that makes it better."""
    rng = torch.Generator().manual_seed(0)
    nodes, displacement = guess.nodes, guess.displacement
    height = -torch.inf
    for k, (size, strain) in enumerate(SEARCH):
        moved = nodes @ changed(rng, size, strain, nodes.device)
        z, displacements = table.best(moved, displacement, _steps(1.5 * STEP / (k + 1), STEP / 2 / (k + 1)))
        best = int(z.argmax())
        nodes, displacement, height = moved[best], displacements[best], float(z[best])
    return guess._replace(z=height, nodes=nodes, displacement=displacement)


def _exact(gradient: CountsGradient, left: Tensor, guess: Guess) -> Guess:
    """`guess` with the z of the share `left` of the components, each computed exactly at its node."""
    nodes = seen_nodes(gradient, guess.nodes)
    information, _ = gradient.information_at(nodes)
    transfer, share = transfer_at(nodes.norm(dim=-1)), gradient.looked_up(left, nodes)
    amplitude = transfer * share * gradient.components_at(nodes)
    size = ((transfer**2 * information * share).sum() / 2).clamp(min=LEAST_SIZE).sqrt()
    centre, steps = nodes.new_zeros(3), _steps(guess.side, STEP / 2)
    heights, displacements = _peaks(nodes[None], amplitude[None], centre, steps)
    return guess._replace(z=float(heights[0] / size), displacement=displacements[0])


def _peaks(nodes: Tensor, amplitudes: Tensor, centre: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest of Re Σ A exp(2πi k d) over displacements d, (m,), and where (m, 3) they are.

    Parameters
    ----------
    nodes, amplitudes : (m, n, 3) k and (m, n) A of m lattices.
    centre, steps : (3,) and (s,); the displacements are `centre` and all combinations of `steps` along x, y and z [Å].
    """
    amplitudes = amplitudes * wave(nodes @ centre)
    x, y, z = (wave(nodes[..., axis, None] * steps) for axis in range(3))  # (m, n, s)
    sheets = torch.einsum("mn,mni,mnj->mijn", amplitudes, x, y)
    heights = (sheets.flatten(1, 2) @ z).real.flatten(1)  # (m, s³)
    found = heights.max(-1)
    places = [steps[(found.indices // len(steps) ** power) % len(steps)] for power in (2, 1, 0)]
    return found.values, centre + torch.stack(places, dim=-1)


def _steps(side: float, step: float) -> Tensor:
    """(n,) places [Å] along a line of length `side` about zero, some `step` apart."""
    count = max(round(side / step), 1)
    return (torch.arange(count) - (count - 1) / 2) * (side / count)


def _is_part(nodes: Tensor, others: Tensor) -> bool:
    """Whether the lattice of `nodes` (n, 3) has some of the reflections of that of `others` (m, 3), and few of them."""
    inner = nodes[nodes.norm(dim=-1) < INNER]
    if len(inner) == 0 or len(others) < MORE * len(nodes):
        return False
    apart = torch.cdist(inner, torch.cat([others, -others])).amin(dim=1)
    return bool((apart < ALIKE).float().mean() >= SHARED)


def _guess_of(lattice: Lattice) -> Guess:
    """Before its phases are known. The cube that holds each of its atoms is that of fcc, which is the largest."""
    nodes = lattice.nodes
    return Guess(0.0, nodes, nodes.new_zeros(3), float(3**0.5 / nodes.norm(dim=-1).min()))
