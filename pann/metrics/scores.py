"""How good a traced model is: recovery, precision, RMSD, elements."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core import AtomicModel, InputError
from pann.core.elements import UNKNOWN, symbols
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.metrics.matching import match, registration_shift


def score(
    found: AtomicModel,
    truth: AtomicModel,
    radius: float = 1.0,
    register: bool = True,
    *,
    centre: bool = True,
    species: bool | None = None,
    inside: ArrayLike | None = None,
) -> dict[str, Any]:
    """Compare a traced model with the truth after a rigid shift of `found` onto it.

    Parameters
    ----------
    found, truth : the models, in the same orientation.
    radius : matching radius [Å].
    register : find the shift first; without it the frames are compared as they are.
    centre : start the registration centroid on centroid, see `registration_shift`.
    species : also score the elements; None does so where both models name any.
    inside : (2, 3) lower and upper corner [Å] of a box in the frame of the truth. Only atoms inside are counted, while
        all atoms may be matched, so that the walls of the box cost nothing. For objects that go on beyond the truth.

    Returns
    -------
    Plain values: radius [Å], n_pred, n_gt, matched, recovery = matched / n_gt, precision = matched / n_pred, rmsd_pm of
    the matched atoms in 3D, rmsd_axes_pm of each coordinate, shift [Å]; with species: species_acc = right element /
    matched, correct_frac = right element / n_gt, confusion {true symbol: {found symbol: atoms}} of the matched atoms.
    """
    if len(truth) == 0:
        raise InputError(f"{truth.name}: the true model holds no atoms")
    true = truth.positions
    shift = registration_shift(found.positions, true, radius, centre) if register else np.zeros(3)
    moved = found.positions + shift
    pairs = match(moved, true, radius)
    n_pred, n_gt = len(found), len(truth)
    matched_found = matched_true = len(pairs)
    if inside is not None:
        in_found, in_true = _in_box(moved, inside), _in_box(true, inside)
        n_pred, n_gt = int(in_found.sum()), int(in_true.sum())
        if n_gt == 0:
            raise InputError(f"inside: none of the {len(truth)} atoms of {truth.name} lies in the box")
        matched_found = int(in_found[pairs[:, 0]].sum())
        pairs = pairs[in_true[pairs[:, 1]]]
        matched_true = len(pairs)
    variances = ((true[pairs[:, 1]] - moved[pairs[:, 0]]) ** 2).mean(axis=0) if len(pairs) else np.full(3, np.nan)
    result: dict[str, Any] = {
        "radius": float(radius),
        "n_pred": n_pred,
        "n_gt": n_gt,
        "matched": matched_true,
        "recovery": matched_true / n_gt,
        "precision": matched_found / max(n_pred, 1),
        "rmsd_pm": float(PICOMETRES_PER_ANGSTROM * np.sqrt(variances.sum())),
        "rmsd_axes_pm": [float(PICOMETRES_PER_ANGSTROM * value) for value in np.sqrt(variances)],
        "shift": [float(value) for value in shift],
    }
    if species is None:
        species = bool(np.any(found.numbers != UNKNOWN) and np.any(truth.numbers != UNKNOWN))
    if species:
        result |= _element_scores(found.numbers[pairs[:, 0]], truth.numbers[pairs[:, 1]], n_gt)
    return result


def _in_box(points: NDArray[np.float64], box: ArrayLike) -> NDArray[np.bool_]:
    corners = np.asarray(box, np.float64)
    if corners.shape != (2, 3) or not np.all(corners[0] < corners[1]):
        raise InputError(f"inside is {corners.tolist()}: expected [[x0,y0,z0],[x1,y1,z1]] [Å], the lower corner first")
    return np.all((points >= corners[0]) & (points <= corners[1]), axis=1)


def _element_scores(found: NDArray[np.int64], true: NDArray[np.int64], n_gt: int) -> dict[str, Any]:
    """Scores of the elements of matched atoms, all (k,) atomic numbers."""
    right = found == true
    confusion: dict[str, dict[str, int]] = {}
    for number in np.unique(true):
        seen, counts = np.unique(found[true == number], return_counts=True)
        row = {symbol: int(count) for symbol, count in zip(symbols(seen), counts, strict=True)}
        confusion[symbols([number])[0]] = row
    return {
        "species_acc": float(right.mean()) if len(right) else float("nan"),
        "correct_frac": float(right.sum() / n_gt),
        "confusion": confusion,
    }
