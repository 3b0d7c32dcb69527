"""Atom positions from a volume: local maxima, sub-voxel fit, minimum distance, threshold."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError
from pann.core.volume import Volume
from pann.tracing.intensity import integrated_intensities
from pann.tracing.maxima import keep_apart, local_maxima
from pann.tracing.subvoxel import Refinement, refine_peaks
from pann.tracing.support import find_support
from pann.tracing.threshold import PeakHeights, automatic_threshold

Support = NDArray[np.bool_] | Literal["auto"] | None


def trace(
    volume: Volume,
    *,
    min_distance: float,
    threshold: float | Literal["auto"] = "auto",
    support: Support = None,
    max_atoms: int | None = None,
    smoothing: float = 0.3,
    refine: Refinement = "gaussian",
    border: int = 2,
    intensity_radius: float | None = None,
    least_share: float = 0.0,
) -> AtomicModel:
    """Trace the atoms of a volume.

    Parameters
    ----------
    volume : density; atoms are its maxima.
    min_distance : no two atoms come closer [Å]; the stronger one stays. About 0.75 of the shortest bond.
    threshold : lowest height of a peak of the smoothed volume [unit of the volume], or "auto": see
        `pann.tracing.threshold.automatic_threshold`.
    support : (nx, ny, nz) bool, where atoms may be; "auto" finds it; None allows the whole volume (extended objects).
    max_atoms : keep at most this many, the strongest.
    smoothing : standard deviation [Å] of a Gaussian applied before the search. It acts as a matched filter: one maximum
        per atom, and heights that follow the integrated intensity. 0 takes the volume as it is.
    refine : sub-voxel fit, see `pann.tracing.subvoxel.Refinement`.
    border : maxima closer to a face than this are ignored [voxels].
    least_share : with the automatic threshold, peaks below this share of the strong ones are never atoms.
    intensity_radius : radius of the ball over which intensities are summed [Å]; half of `min_distance` when None.

    Returns
    -------
    AtomicModel with numbers 0 and intensities from the volume as given, strongest peak first. `metadata` records
    threshold, min_distance and the number of maxima seen.
    """
    _check(volume, min_distance, threshold, max_atoms, smoothing, border)
    values = volume.values
    if smoothing > 0:
        values = ndimage.gaussian_filter(values, smoothing / volume.voxel_size, mode="nearest")
    voxels = local_maxima(values, border)
    voxels = voxels[values[tuple(voxels.T)] > 0]
    index, heights = refine_peaks(values, voxels, refine)
    positions = volume.positions(index)
    apart = keep_apart(positions, heights, min_distance)

    allowed = np.ones(len(voxels), bool)
    region = find_support(volume) if isinstance(support, str) or support is None else _checked(support, volume)
    inside = allowed if region is None else region[tuple(voxels.T)]
    if support is not None:
        allowed = inside
    if threshold == "auto":
        threshold = automatic_threshold(
            PeakHeights(
                candidates=heights[apart[inside[apart]]],
                outside=heights[apart[~inside[apart]]],
                crowded=np.delete(heights, apart),
            ),
            least_share,
        )
    chosen = apart[allowed[apart] & (heights[apart] >= threshold)][:max_atoms]
    radius = min_distance / 2 if intensity_radius is None else intensity_radius
    return AtomicModel(
        positions[chosen],
        intensities=integrated_intensities(volume, positions[chosen], radius),
        name=volume.name,
        metadata={"threshold": float(threshold), "min_distance": float(min_distance), "maxima": len(voxels)},
    )


def _check(
    volume: Volume,
    min_distance: float,
    threshold: float | str,
    max_atoms: int | None,
    smoothing: float,
    border: int,
) -> None:
    """Refuse options that cannot be meant."""
    if not (np.isfinite(min_distance) and min_distance > 0):
        raise ConfigError(f"tracing: min_distance is {min_distance}: expected a positive number [Å]")
    if isinstance(threshold, str) and threshold != "auto":
        raise ConfigError(f"tracing: threshold is {threshold!r}: expected a number or auto")
    if max_atoms is not None and max_atoms < 0:
        raise ConfigError(f"tracing: max_atoms is {max_atoms}: expected a number of atoms, or null for no limit")
    if smoothing < 0:
        raise ConfigError(f"tracing: smoothing is {smoothing}: expected a length [Å], or 0 for none")
    if border < 0:
        raise ConfigError(f"tracing: border is {border}: expected a number of voxels")


def _checked(support: NDArray[np.bool_], volume: Volume) -> NDArray[np.bool_]:
    mask = np.asarray(support, bool)
    if mask.shape != volume.shape:
        raise ConfigError(f"tracing: support has shape {mask.shape}, the volume {volume.shape}: they must agree")
    return mask
