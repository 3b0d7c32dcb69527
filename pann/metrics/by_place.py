"""Scores of a traced model apart for atoms on the surface and inside, and along the axes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from pann.core import AtomicModel, InputError
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.metrics.matching import match
from pann.metrics.scores import score

PLACES = ("inner", "surface")


def score_by_place(
    found: AtomicModel, truth: AtomicModel, surface: ArrayLike, radius: float = 1.0, *, centre: bool = True
) -> dict[str, Any]:
    """Recovery, errors and RMSD of `found`, of all atoms and of those inside and on the surface apart.

    Matching is that of `score`. A true atom is missed when no found one is matched to it, a found atom false when it
    matches none; a false atom belongs to the place of the true atom nearest to it.

    Parameters
    ----------
    found, truth : the models, in the same orientation; `found` may hold no atom.
    surface : (n_true,) bool, see `pann.metrics.surface_atoms`.
    radius : matching radius [Å].
    centre : see `score`.

    Returns
    -------
    Plain values: n_true, n_found, matched, missed, false, recovery, precision, rmsd_pm, rmsd_x_pm, rmsd_y_pm,
    rmsd_z_pm, elongation (rms error along z over that along x: 1 without a missing wedge), variance (mean square error
    along one axis in units of the error bar, 1 where the error bars of `found` are true), and n_true, matched, missed,
    false, recovery, rmsd_pm and variance of each place behind ``inner_`` and ``surface_``. NaN where nothing was
    matched, and for the variance of a model without covariance.
    """
    on_surface = np.asarray(surface, bool)
    if on_surface.shape != (len(truth),):
        raise InputError(f"surface has shape {on_surface.shape}: expected one value for each of {len(truth)} atoms")
    scores = score(found, truth, radius, centre=centre, species=False)
    moved = found.positions + np.array(scores["shift"])
    pairs = match(moved, truth.positions, radius)
    errors = moved[pairs[:, 0]] - truth.positions[pairs[:, 1]]
    squares = _squares_in_sigmas(found, pairs[:, 0], errors)
    x, y, z = scores["rmsd_axes_pm"]
    result: dict[str, Any] = {
        "n_true": scores["n_gt"],
        "n_found": scores["n_pred"],
        "matched": scores["matched"],
        "missed": scores["n_gt"] - scores["matched"],
        "false": scores["n_pred"] - scores["matched"],
        "recovery": scores["recovery"],
        "precision": scores["precision"] if len(found) else float("nan"),
        "rmsd_pm": scores["rmsd_pm"],
        "rmsd_x_pm": x,
        "rmsd_y_pm": y,
        "rmsd_z_pm": z,
        "elongation": z / x if x > 0 else float("nan"),
        "variance": _mean(squares),
    }
    false = np.setdiff1d(np.arange(len(found)), pairs[:, 0])
    owner = cKDTree(truth.positions).query(moved[false])[1] if len(false) else np.zeros(0, np.int64)
    for place, mine in zip(PLACES, (~on_surface, on_surface), strict=True):
        n_true, hit = int(mine.sum()), mine[pairs[:, 1]]
        matched = int(hit.sum())
        result |= {
            f"{place}_n_true": n_true,
            f"{place}_matched": matched,
            f"{place}_missed": n_true - matched,
            f"{place}_false": int(mine[owner].sum()),
            f"{place}_recovery": matched / n_true if n_true else float("nan"),
            f"{place}_rmsd_pm": _rmsd_pm(errors[hit]),
            f"{place}_variance": _mean(squares[hit]),
        }
    return result


def _rmsd_pm(errors: NDArray[np.float64]) -> float:
    """Root mean square length [pm] of `errors` (n, 3) [Å]; NaN of none."""
    return float(PICOMETRES_PER_ANGSTROM * np.sqrt((errors**2).sum(1).mean())) if len(errors) else float("nan")


def _squares_in_sigmas(
    found: AtomicModel, atoms: NDArray[np.int64], errors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """eᵀ C⁻¹ e / 3 of `errors` e (n, 3) [Å] of some `atoms`, C their covariance, (n,); NaN without covariance."""
    if found.covariance is None or not len(atoms):
        return np.full(len(atoms), np.nan)
    scaled = np.linalg.solve(np.asarray(found.covariance)[atoms], errors[..., None])[..., 0]
    return np.asarray((errors * scaled).sum(1) / 3)


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of `values` (n,); NaN of none."""
    return float(values.mean()) if len(values) else float("nan")
