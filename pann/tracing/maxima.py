"""Local maxima of a volume, and the choice of those that keep a minimum distance."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.morphology import local_maxima as _local_maxima

_BLOCK = 20_000
"""Peaks handled at a time: bounds the number of pairs held in memory."""


def local_maxima(values: NDArray[np.float32], border: int = 1) -> NDArray[np.int64]:
    """Voxel indices (n, 3) of the local maxima of `values` among their 26 neighbours, in raster order.

    A plateau (connected voxels of one value, all neighbours lower) counts once, at its voxel nearest to its centroid;
    a constant volume has none. Maxima closer than `border` voxels to a face are left out.
    """
    if min(values.shape) < 3:
        return np.zeros((0, 3), np.int64)
    mask = _local_maxima(values, connectivity=3, allow_borders=True)
    labels, n_plateaus = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    voxels = np.argwhere(mask)
    if n_plateaus < len(voxels):
        voxels = _plateau_centres(voxels, labels[mask], n_plateaus)
    inside = np.all((voxels >= border) & (voxels < np.array(values.shape) - border), axis=1)
    return voxels[inside]


def _plateau_centres(voxels: NDArray[np.int64], labels: NDArray[np.int32], n_plateaus: int) -> NDArray[np.int64]:
    """The voxel of each plateau that is nearest to the plateau's centroid; ties go to the first in raster order."""
    owner = labels.astype(np.int64) - 1
    size = np.bincount(owner, minlength=n_plateaus)
    centroid = np.stack([np.bincount(owner, voxels[:, axis], n_plateaus) / size for axis in range(3)], axis=1)
    squared = ((voxels - centroid[owner]) ** 2).sum(axis=1)
    order = np.lexsort((np.arange(len(voxels)), squared, owner))
    first = np.unique(owner[order], return_index=True)[1]
    return voxels[np.sort(order[first])]


def keep_apart(positions: NDArray[np.float64], heights: NDArray[np.float64], min_distance: float) -> NDArray[np.int64]:
    """Indices of the peaks kept when each one, strongest first, removes all weaker ones nearer than `min_distance`.

    Parameters
    ----------
    positions : (n, 3) [Å].
    heights : (n,); ties go to the lower index.
    min_distance : [Å]; pairs at exactly this distance are both kept.

    Returns
    -------
    (k,) indices, strongest first.
    """
    order = np.lexsort((np.arange(len(heights)), -heights))
    if min_distance <= 0 or len(order) == 0:
        return order
    reach = np.nextafter(min_distance, 0)
    kept = np.zeros(0, np.int64)
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        if len(kept):
            nearest = cKDTree(positions[kept]).query(positions[block], distance_upper_bound=min_distance)[0]
            block = block[~(nearest < min_distance)]
        pairs = cKDTree(positions[block]).query_pairs(reach, output_type="ndarray")
        kept = np.concatenate([kept, block[_greedy(len(block), pairs)]])
    return kept


def _greedy(n: int, pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of n items, taken in order, survive when each survivor removes its later partners in `pairs` (m, 2).

    Works in rounds: an item without an undecided earlier partner survives. Same result as the loop over items.
    """
    early, late = pairs.min(axis=1), pairs.max(axis=1)
    survives, undecided = np.zeros(n, bool), np.ones(n, bool)
    while undecided.any():
        blocked = np.zeros(n, bool)
        blocked[late] = True
        chosen = undecided & ~blocked
        survives |= chosen
        removed = np.zeros(n, bool)
        removed[late[chosen[early]]] = True
        undecided &= ~chosen & ~removed
        live = undecided[early] & undecided[late]
        early, late = early[live], late[live]
    return survives
