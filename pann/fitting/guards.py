"""Keeping atoms sane during a fit, and saying which ones were not.

An atom that cannot be fitted is held where it is and flagged; it never spoils the others with NaN or a runaway.
"""

from dataclasses import dataclass, field, replace
from enum import IntFlag

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from pann.fitting.parameters import HALO_WEIGHT_LIMIT, Layout, State

STEP_LIMIT = 0.3
"""Longest move of an atom in one step [Å]: within it the linearised image of an atom still points the right way."""
LEAST_FACTOR = 0.01
"""Smallest factor of an atom on the intensity of its element."""
TURN_LIMIT = 0.02
"""Largest rotation of one image about one axis in one step [rad]."""
ATTENUATION_LIMIT = 0.005
"""Largest change of the attenuation in one step [1/Å]."""
LEAST_REACH = 1e-3
"""Shortest limit of the steps of an atom [Å]."""
REACH_GROWTH = 1.3
"""Factor of the reach of an atom that goes on in its direction; slower than it is halved, so that it does not cycle."""
HOLDS_BEFORE_FREEZE = 4
"""Times that a step of an atom is refused, for coming too close to another, before the atom is held for good."""


class AtomFlag(IntFlag):
    """What is wrong with an atom; flags add up."""

    OK = 0
    WEAK = 1
    """Its intensity fell to a small share of that of its kind: probably no atom."""
    MERGED = 2
    """It ran into another atom and was held."""
    DRIFTED = 4
    """It reached the limit of its distance from the start."""
    OUTSIDE = 8
    """No image shows it."""


@dataclass
class Guard:
    """Limits of the parameters, and the atoms that are held.

    Attributes
    ----------
    start : (n_atoms, 3) positions [Å] from which no atom may go further than `max_shift` [Å].
    min_distance : atoms may not come closer to each other than this [Å].
    intensity_floor : (n_groups,) lower limit of the intensities.
    background_floor : lower limit of the backgrounds; minus infinity for processed images.
    holds : (n_atoms,) times that each atom was refused a step towards another.
    reach : (n_atoms, 1) longest step of each atom [Å].
    """

    start: Tensor
    max_shift: float
    min_distance: float
    intensity_floor: Tensor
    background_floor: float
    holds: Tensor = field(init=False)
    reach: Tensor = field(init=False)
    _last: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.holds = torch.zeros(len(self.start), dtype=torch.long, device=self.start.device)
        self.reach = torch.full((len(self.start), 1), STEP_LIMIT, dtype=torch.float64, device=self.start.device)
        self._last = torch.zeros_like(self.start)

    def shorten(self, layout: Layout, step: Tensor) -> Tensor:
        """`step` with no atom moving further than its `reach`; widths change by a quarter at most."""
        shortened = step.clone()
        parts = layout.split(shortened)
        length = parts["positions"].norm(dim=1, keepdim=True)
        parts["positions"] *= self.reach / torch.maximum(length, self.reach)
        for kind in ("width", "element_width", "halo_weight", "halo_ratio"):
            parts[kind].clamp_(-0.25, 0.25)
        parts["attenuation"].clamp_(-ATTENUATION_LIMIT, ATTENUATION_LIMIT)
        parts["turns"].clamp_(-TURN_LIMIT, TURN_LIMIT)
        return shortened

    def learn(self, moved: Tensor) -> None:
        """Adapt the reach of each atom to the step (n_atoms, 3) [Å] that was accepted.

        Where an atom's own images fit badly, the expected information is less than the curvature and it jumps to
        and fro across its minimum, unnoticed among the others: turning back halves its reach, going on restores it.
        """
        turn = torch.nn.functional.cosine_similarity(moved, self._last, dim=1, eps=1e-12)[:, None]
        length = moved.norm(dim=1, keepdim=True)
        shorter = torch.minimum(self.reach, torch.maximum(length, self._last.norm(dim=1, keepdim=True)) / 2)
        self.reach = torch.where(turn < -0.5, shorter, torch.where(turn > 0.5, REACH_GROWTH * self.reach, self.reach))
        self.reach.clamp_(LEAST_REACH, STEP_LIMIT)
        self._last = moved

    def confine(self, old: State, new: State) -> State:
        """`new` brought back within the limits; atoms that came too close to another return to their `old` position."""
        positions = new.positions
        away = positions - self.start
        length = away.norm(dim=1, keepdim=True)
        positions = self.start + away * (self.max_shift / length.clamp(min=self.max_shift))
        close = self._collided(old.positions, positions)
        if len(close):
            self.holds[close] += 1
            positions = positions.clone()
            positions[close] = old.positions[close]
        return replace(
            new,
            positions=positions,
            intensity=torch.maximum(new.intensity, self.intensity_floor),
            factor=None if new.factor is None else new.factor.clamp(min=LEAST_FACTOR),
            background=new.background.clamp(min=self.background_floor),
        )

    def _collided(self, old: Tensor, new: Tensor) -> Tensor:
        points, before = new.cpu().numpy(), old.cpu().numpy()
        pairs = cKDTree(points).query_pairs(self.min_distance, output_type="ndarray")
        if len(pairs):
            first, second = pairs.T
            gap = np.linalg.norm(points[first] - points[second], axis=1)
            pairs = pairs[gap < np.linalg.norm(before[first] - before[second], axis=1)]
        return torch.as_tensor(np.unique(pairs), dtype=torch.long, device=new.device)

    def free(self, layout: Layout, state: State, gradient: Tensor, seen: Tensor) -> Tensor:
        """1.0 for every parameter that may move, 0.0 for those at a limit that the gradient pushes against.

        Parameters
        ----------
        gradient : (n_parameters,) of the objective, which falls against it.
        seen : (n_atoms,) whether any image shows the atom.
        """
        free = torch.ones_like(gradient)
        parts, slope = layout.split(free), layout.split(gradient)
        away = state.positions - self.start
        outward = (slope["positions"] * away).sum(1) < 0
        stuck = (away.norm(dim=1) > 0.999 * self.max_shift) & outward
        parts["positions"][stuck | (self.holds >= HOLDS_BEFORE_FREEZE) | ~seen] = 0
        parts["intensity"][(state.intensity <= self.intensity_floor) & (slope["intensity"] > 0)] = 0
        if state.factor is not None and layout.factors:
            parts["factor"][(state.factor <= LEAST_FACTOR) & (slope["factor"] > 0)] = 0
        if layout.saturation and state.saturation <= 0 and bool(slope["saturation"] > 0):
            parts["saturation"][:] = 0
        if layout.halo_weight:
            empty = state.weights[1] <= 0 and bool(slope["halo_weight"] > 0)
            full = state.weights[1] >= HALO_WEIGHT_LIMIT and bool(slope["halo_weight"] < 0)
            parts["halo_weight"][:] = 0 if empty or full else 1
        low = (state.background <= self.background_floor)[: len(parts["background"])]
        parts["background"][low & (slope["background"] > 0)] = 0
        return free

    def flags(self, layout: Layout, state: State, seen: Tensor, weak_below: float) -> np.ndarray:
        """`AtomFlag` of every atom (n_atoms,); weak means an intensity below `weak_below` of the median."""
        intensity = state.atom_intensity(layout.group)
        flags = torch.zeros(layout.n_atoms, dtype=torch.long, device=intensity.device)
        flags[intensity < weak_below * intensity.median()] += int(AtomFlag.WEAK)
        flags[self.holds >= HOLDS_BEFORE_FREEZE] += int(AtomFlag.MERGED)
        flags[(state.positions - self.start).norm(dim=1) > 0.999 * self.max_shift] += int(AtomFlag.DRIFTED)
        flags[~seen] += int(AtomFlag.OUTSIDE)
        return flags.cpu().numpy()
