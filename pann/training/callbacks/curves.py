"""Scores of validation samples against what makes a sample hard: its dose and its missing wedge."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

KINDS = ("input", "refined")
VARIABLES = {"dose": "dose [e/Å² per projection]", "missing_wedge": "missing wedge [deg]"}
"""What the curves run over, and the label of the axis."""


def variable(case: Mapping[str, Any], name: str) -> float:
    """The value of one of `VARIABLES` for a sample: the missing wedge is twice what the largest tilt lacks to 90°."""
    return float(case["dose"]) if name == "dose" else 2 * (90 - float(case["largest_tilt"]))


def curves(
    cases: Sequence[Mapping[str, Any]], edges: Mapping[str, Sequence[float]], scores: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean scores of input and refined volume in bins, the atoms of all samples counting alike.

    Parameters
    ----------
    cases : rows with dose, largest_tilt, atoms, and ``input/<score>`` beside ``refined/<score>``.
    edges : of the bins, by the name in `VARIABLES`; a bin holds its lower edge.
    scores : names.

    Returns
    -------
    A row for every bin that holds a sample: variable, low, high, mean (of the variable), samples, atoms, and the scores
    by kind, where at least one sample has them.
    """
    rows = []
    for name, limits in edges.items():
        for low, high in pairwise(limits):
            inside = [case for case in cases if low <= variable(case, name) < high]
            if inside:
                row = {
                    "variable": name,
                    "low": float(low),
                    "high": float(high),
                    "mean": float(np.mean([variable(case, name) for case in inside])),
                    "samples": len(inside),
                    "atoms": sum(case["atoms"] for case in inside),
                }
                rows.append(row | _means(inside, scores))
    return rows


def _means(cases: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> dict[str, float]:
    means = {}
    for key in (f"{kind}/{score}" for score in scores for kind in KINDS):
        having = [case for case in cases if key in case]
        if having:
            weights = [case["atoms"] for case in having]
            means[key] = float(np.average([case[key] for case in having], weights=weights))
    return means
