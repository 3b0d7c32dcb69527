"""Temperature calibration: one number that makes probabilities honest (Guo et al., ICML 2017)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

_RANGE = (0.1, 10.0)
N_BINS = 15
"""Bins of confidence of the calibration error."""


def fit_temperature(logits: Tensor, labels: Tensor, iterations: int = 50) -> float:
    """Temperature T > 0 that minimises the cross-entropy of `logits` / T (n, n_classes) with `labels` (n,).

    The loss is convex in 1 / T, so a golden-section search of log T finds the minimum.
    """
    low, high = torch.tensor(_RANGE, dtype=torch.float64).log().tolist()
    scores = logits.double()
    # A finite stand-in keeps masked classes at probability zero for every temperature in the range.
    scores = scores.masked_fill(torch.isinf(scores), -1e4)
    golden = (5**0.5 - 1) / 2

    def loss(log_temperature: float) -> float:
        return float(cross_entropy(scores / torch.tensor(log_temperature).exp(), labels))

    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(iterations):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return float(torch.tensor((low + high) / 2).exp())


def calibration_bins(confidence: Tensor, correct: Tensor, n_bins: int = N_BINS) -> Tensor:
    """Answers, sum of `confidence` (n,) and number of `correct` (n,) in equal bins of confidence, (3, n_bins)."""
    place = (confidence * n_bins).long().clamp(0, n_bins - 1)
    weights = (torch.ones_like(confidence), confidence, correct)
    return torch.stack([torch.bincount(place, weights=weight.double(), minlength=n_bins) for weight in weights])


def expected_calibration_error(confidence: Tensor, correct: Tensor, n_bins: int = N_BINS) -> float:
    """Mean gap between `confidence` (n,) and the share `correct` (n,), over equal bins weighted by their counts."""
    if not len(confidence):
        return float("nan")
    count, stated, seen = calibration_bins(confidence, correct, n_bins)
    return float((stated - seen).abs().sum() / count.sum())
