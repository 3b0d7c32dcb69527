"""Which found atom is which true atom, and the rigid shift between two models."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from pann.core.errors import InputError

SHIFT_TOLERANCE = 1e-4
"""The registration stops when the shift changes by less than this [Å]."""
SHIFT_ITERATIONS = 60


def match(found: ArrayLike, true: ArrayLike, radius: float) -> NDArray[np.int64]:
    """Index pairs (k, 2) of found and true atoms, one-to-one, no further apart than `radius` [Å].

    Pairs are formed in order of distance, so the closest two atoms are always a pair. The order of the rows is the
    order of distance too.

    Parameters
    ----------
    found : (n, 3) positions [Å].
    true : (m, 3) positions [Å].
    radius : [Å].
    """
    if not np.isfinite(radius) or radius <= 0:
        raise InputError(f"radius is {radius}: expected a positive number [Å]")
    found_points, true_points = np.asarray(found, np.float64), np.asarray(true, np.float64)
    if len(found_points) == 0 or len(true_points) == 0:
        return np.zeros((0, 2), np.int64)
    near = cKDTree(found_points).sparse_distance_matrix(cKDTree(true_points), radius, output_type="coo_matrix")
    order = np.argsort(near.data, kind="stable")
    candidates = zip(near.row[order].tolist(), near.col[order].tolist(), strict=True)
    taken_found: set[int] = set()
    taken_true: set[int] = set()
    pairs = []
    for i, j in candidates:
        if i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
            pairs.append((i, j))
    return np.array(pairs, np.int64).reshape(-1, 2)


def distances_to_found(found: ArrayLike, true: ArrayLike, radius: float, centre: bool = True) -> NDArray[np.float64]:
    """Distance (m,) [Å] of each atom of `true` (m, 3) from the one of `found` (n, 3) matched to it; NaN where missed.

    After the shift of `registration_shift`, which see for `centre`.
    """
    points, target = np.asarray(found, np.float64).reshape(-1, 3), np.asarray(true, np.float64)
    points = points + registration_shift(points, target, radius, centre)
    pairs = match(points, target, radius)
    distances = np.full(len(target), np.nan)
    distances[pairs[:, 1]] = np.linalg.norm(points[pairs[:, 0]] - target[pairs[:, 1]], axis=1)
    return distances


def registration_shift(found: ArrayLike, true: ArrayLike, radius: float, centre: bool = True) -> NDArray[np.float64]:
    """Shift (3,) [Å] to add to `found` (n, 3) so that it lies on `true` (m, 3); no rotation, no scale.

    The mean offset of the matched atoms is applied until it stays. With `centre` the start is centroid on centroid;
    without it, the frames as they are, which is right when one model covers more of an extended object.
    """
    points, target = np.asarray(found, np.float64), np.asarray(true, np.float64)
    shift = np.zeros(3)
    if len(points) == 0 or len(target) == 0:
        return shift
    if centre:
        shift += target.mean(axis=0) - points.mean(axis=0)
    for _ in range(SHIFT_ITERATIONS):
        pairs = match(points + shift, target, radius)
        if not len(pairs):
            break
        step = (target[pairs[:, 1]] - (points[pairs[:, 0]] + shift)).mean(axis=0)
        shift += step
        if np.abs(step).sum() < SHIFT_TOLERANCE:
            break
    return shift
