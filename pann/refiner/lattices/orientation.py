"""Which lattices lie in a volume, and how they are turned: a search over orientations, cells and a little strain.

At low dose no reflection stands out by itself. All those of one lattice together do: the noise of n components averages
out by the root of n, and only few parameters say where the n are. The search matches templates, as in the indexing of
electron diffraction patterns (Rauch and Dupuy, Arch. Metall. Mater. 50, 87 (2005)), here in three dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from pann.refiner.lattices.bragg import risen
from pann.refiner.lattices.bravais import KINDS, orientations, reciprocal_nodes
from pann.refiner.lattices.spectrum import (
    COARSEST,
    FINEST,
    OVERLAP,
    Spectrum,
    binomial_mean,
    overlapped,
    slope_of,
)

GRAINS = 3
"""Lattices that are looked for."""
CAPPED = 12.0
"""Power over what is usual above which a component counts no more, so that one alone makes no lattice."""
FADING = 0.45
"""Width [1/Å] of the Gaussian by which the nodes count: the finer the detail, the more of it is noise."""
CELL_STEP = 0.04
"""Between the logarithms of the cells that are tried."""
COARSE = 1.6
"""Finest period [Å] of the first search, whose turns are too far apart for finer ones."""
BEST = 24
"""Hypotheses of a search that are improved."""
TRIES = 24
"""Changes of each that are tried in a round."""
SEARCH = ((0.05, 0.0), (0.03, 0.0), (0.02, 0.01), (0.012, 0.01))
"""Sizes of the changes of the best hypotheses: of turn [rad] and cell together, and of strain."""
FINISH = ((0.05, 0.0), (0.04, 0.0), (0.03, 0.0), (0.02, 0.005), (0.02, 0.005), (0.01, 0.005), (0.01, 0.005))
"""The same of the best of all."""
SPOT = 1.2
"""Width of a reflection, in components."""


class Template(NamedTuple):
    """One cell of one kind of lattice.

    Attributes
    ----------
    nodes : (n, 3) of its reciprocal lattice [1/Å], one of k and -k each.
    turns : (m, 3, 3) orientations.
    turned : (3, m, k) the inner ones of the nodes in all orientations, for the coarse search.
    importance : (k,) of these.
    side : edge [Å] of a cube in which each of its atoms occurs.
    """

    nodes: Tensor
    turns: Tensor
    turned: Tensor
    importance: Tensor
    side: float


@dataclass(frozen=True)
class Lattice:
    """A lattice in a spectrum.

    Attributes
    ----------
    nodes : (n, 3) of its reciprocal lattice [1/Å], one of k and -k each.
    score : how much stronger the components are there than elsewhere, in standard deviations of noise. The best of all
        hypotheses reaches 5 to 8 in noise alone.
    apart : whether it was found where those before it are not.
    """

    nodes: Tensor
    score: float
    apart: bool = False

    def mirrored(self, axes: Sequence[int]) -> Self:
        """That of the volume mirrored along `axes`."""
        signs = torch.ones(3, device=self.nodes.device)
        signs[list(axes)] = -1
        return replace(self, nodes=self.nodes * signs)


def find_lattices(spectrum: Spectrum) -> list[Lattice]:
    """The `GRAINS` lattices that stand out most, best first, each in what those before it leave."""
    with torch.no_grad(), torch.autocast(spectrum.radius.device.type, enabled=False):  # positions need all digits
        return _found(spectrum)


def _found(spectrum: Spectrum) -> list[Lattice]:
    rise = risen(spectrum, binomial_mean)
    left = surprise(spectrum, rise.clamp(max=CAPPED))
    heights = both_halves(binomial_mean(overlapped(surprise(spectrum, rise.sqrt())))[..., OVERLAP:])
    templates = templates_on(left.device)
    places = [component_at(spectrum, template.turned) for template in templates]
    found: list[Lattice] = []
    for _ in range(GRAINS):
        best = _best(spectrum, left, templates, places)
        found.append(Lattice(_improved(spectrum, heights, best.nodes, FINISH).nodes, best.score))
        left = left * (1 - spots(spectrum, found[-1].nodes))
    return found


def surprise(spectrum: Spectrum, values: Tensor) -> Tensor:
    """How far `values` of components are above the mean at their radius and steepness, in standard deviations there."""
    bins = slope_of(spectrum)
    flat, inside = values.flatten().double(), spectrum.inside.flatten().double()
    count = torch.bincount(bins, inside).clamp(min=1)
    mean = torch.bincount(bins, flat * inside) / count
    spread = (torch.bincount(bins, flat**2 * inside) / count - mean**2).clamp(min=1e-6).sqrt()
    return (((flat - mean[bins]) / spread[bins]) * inside).view_as(values).to(values.dtype)


def spots(spectrum: Spectrum, nodes: Tensor) -> Tensor:
    """Where reflections at `nodes` (n, 3) lie, shaped as the spectrum: Gaussians of height one and width `SPOT`."""
    both = torch.cat([nodes, -nodes]) * _cells(spectrum)
    reach = round(2 * SPOT)
    steps = torch.arange(-reach, reach + 1, device=nodes.device)
    around = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    at = both.round().long()[:, None] + around
    height = torch.exp(-0.5 * ((at - both[:, None]) ** 2).sum(-1) / SPOT**2)
    shape = torch.tensor(spectrum.radius.shape, device=nodes.device)
    at = at + torch.stack([shape[0] // 2, shape[1] // 2, 0 * shape[2]])
    within = ((at >= 0) & (at < shape)).all(-1)
    flat = (at[..., 0] * shape[1] + at[..., 1]) * shape[2] + at[..., 2]
    out = torch.zeros(spectrum.radius.numel(), device=nodes.device)
    out.scatter_reduce_(0, flat[within], height[within], "amax")
    return out.view_as(spectrum.radius) * spectrum.inside


def _best(spectrum: Spectrum, left: Tensor, templates: list[Template], places: list[Tensor]) -> Lattice:
    """The best lattice in what is `left`: the best of a coarse search, improved."""
    flat = both_halves(left)
    candidates: list[tuple[float, Tensor]] = []
    for template, place in zip(templates, places, strict=True):
        best = (flat[place] @ template.importance).topk(4)
        candidates += [
            (float(score), template.nodes @ template.turns[k].T)
            for score, k in zip(best.values, best.indices.tolist(), strict=True)
        ]
    candidates.sort(key=lambda candidate: -candidate[0])
    improved = [_improved(spectrum, flat, nodes, SEARCH) for _, nodes in candidates[:BEST]]
    return max(improved, key=lambda lattice: lattice.score)


def _improved(spectrum: Spectrum, flat: Tensor, nodes: Tensor, rounds: Sequence[tuple[float, float]]) -> Lattice:
    """Turned, scaled and strained a little, at random, wherever that makes it better by `flat`."""
    rng = torch.Generator().manual_seed(0)
    importance = importance_of(nodes.norm(dim=-1))
    score = -torch.inf
    for size, strain in rounds:
        moved = nodes @ changed(rng, size, strain, nodes.device)
        scores = flat[component_at(spectrum, moved.permute(2, 0, 1))] @ importance
        best = int(scores.argmax())
        nodes, score = moved[best], float(scores[best])
    return Lattice(nodes, score)


def changed(rng: torch.Generator, size: float, strain: float, device: torch.device) -> Tensor:
    """(TRIES, 3, 3) changes of a lattice at random, the first of which is none: of turn and cell, and of strain."""
    change = torch.randn((TRIES, 3, 3), generator=rng).to(device)
    change[0] = 0
    turn = size * (change - change.mT) / 2
    scale = size / 2 * change[:, :1, :1] * torch.eye(3, device=device)
    return torch.linalg.matrix_exp(turn) + scale + strain * (change + change.mT) / 2


def importance_of(radius: Tensor) -> Tensor:
    """Weights of nodes at `radius` (n,) [1/Å], so that the sum over noise of variance one has that variance."""
    weight = torch.exp(-0.5 * (radius / FADING) ** 2)
    return weight / (weight**2).sum().sqrt()


def _cells(spectrum: Spectrum) -> Tensor:
    """Components per 1/Å along each axis."""
    lengths = [n * spectrum.voxel_size for n in spectrum.shape]
    return torch.tensor(lengths, device=spectrum.radius.device, dtype=torch.float32)


def both_halves(values: Tensor) -> Tensor:
    """`values` (kx, ky, kz) that are conjugate at k and -k, those of kz < 0 before the others, in a row."""
    return torch.cat([values[..., 1:].flip(0, 1, 2).conj(), values], dim=-1).flatten()


def component_at(spectrum: Spectrum, nodes: Tensor) -> Tensor:
    """Where in `both_halves` the component next to each of `nodes` (3, ...) is; the last one for those beyond it."""
    nx, ny, half = spectrum.radius.shape
    nz = 2 * half - 1
    out = torch.zeros(nodes.shape[1:], dtype=torch.int32, device=nodes.device)
    for k, cells, n in zip(nodes, _cells(spectrum).tolist(), (nx, ny, nz), strict=True):
        out.mul_(n).add_((k * cells).round_().int().add_(n // 2).clamp_(0, n - 1))
    return out


@cache
def templates_on(device: torch.device) -> list[Template]:
    """All cells of all kinds in all orientations."""
    out = []
    for name, kind in KINDS.items():
        turns = torch.tensor(orientations(kind.group), dtype=torch.float32, device=device)
        nodes = torch.tensor(reciprocal_nodes(name, kind.largest / FINEST), dtype=torch.float32, device=device)
        for cell in np.exp(np.arange(np.log(kind.smallest), np.log(kind.largest), CELL_STEP)).tolist():
            radius = nodes.norm(dim=-1) / cell
            seen = nodes[(radius < 1 / FINEST) & (radius > 1 / COARSEST)] / cell
            inner = seen[seen.norm(dim=-1) < 1 / COARSE]
            turned = torch.einsum("rij,nj->irn", turns, inner)
            importance = importance_of(inner.norm(dim=-1))
            out.append(Template(seen, turns, turned, importance, cell * kind.side))
    return out
