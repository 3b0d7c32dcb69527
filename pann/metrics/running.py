"""Scores as torchmetrics: sums over batches and processes, so that distributed runs give the same numbers as one."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryCalibrationError

from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.metrics.matching import match, registration_shift


class MatchedAtoms(Metric):
    """Sums that recovery, precision and RMSD are made of; in a `MetricCollection` they are matched once.

    Parameters
    ----------
    radius : matching radius [Å].
    register : shift each found model onto its truth first, as `pann.metrics.score` does.
    """

    full_state_update = False
    is_differentiable = False
    matched: Tensor
    found: Tensor
    true: Tensor
    squares: Tensor

    def __init__(self, radius: float = 1.0, register: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.radius = radius
        self.register = register
        for name in ("matched", "found", "true", "squares"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, found: Tensor, true: Tensor) -> None:
        """Add one sample: positions `found` (n, 3) and `true` (m, 3) [Å]."""
        points, target = (positions.detach().cpu().double().numpy() for positions in (found, true))
        if self.register:
            points = points + registration_shift(points, target, self.radius)
        pairs = match(points, target, self.radius)
        self.matched += len(pairs)
        self.found += len(points)
        self.true += len(target)
        self.squares += float(((points[pairs[:, 0]] - target[pairs[:, 1]]) ** 2).sum())


class Recovery(MatchedAtoms):
    """Matched atoms / true atoms, over all samples."""

    higher_is_better = True

    def compute(self) -> Tensor:
        """Scalar; NaN before the first atom."""
        return self.matched / self.true


class Precision(MatchedAtoms):
    """Matched atoms / found atoms, over all samples."""

    higher_is_better = True

    def compute(self) -> Tensor:
        """Scalar; NaN while nothing was found."""
        return self.matched / self.found


class PositionRMSD(MatchedAtoms):
    """Root mean square 3D distance [pm] of matched atoms, over all samples."""

    higher_is_better = False

    def compute(self) -> Tensor:
        """Scalar [pm]; NaN while nothing matched."""
        return PICOMETRES_PER_ANGSTROM * torch.sqrt(self.squares / self.matched)


class ElementCalibrationError(BinaryCalibrationError):
    """Expected calibration error of the most probable element, for any number of candidates.

    ECE = Σ_bins (share of atoms) · |accuracy − mean confidence| (Guo et al., ICML 2017). The top label makes it binary:
    the confidence is the largest probability, the event that it was right.
    """

    def update(self, probabilities: Tensor, target: Tensor) -> None:
        """Add atoms: `probabilities` (n, n_candidates) that add to one, `target` (n,) index of the true candidate."""
        confidence, choice = probabilities.max(dim=-1)
        super().update(confidence, (choice == target).int())
