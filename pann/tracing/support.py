"""The part of a volume that holds the object."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from pann.core.volume import Volume


def find_support(
    volume: Volume, *, smoothing: float = 2.5, dilation: float = 1.5, fill_limit: float = 0.9
) -> NDArray[np.bool_] | None:
    """Voxels that hold the object, or None when the object has no empty surroundings.

    The volume is smoothed over an atomic distance, cut at Otsu's threshold (IEEE Trans. SMC 9 (1979) 62) of the square
    root, which evens out the variance of counts; the largest connected part is kept, its holes filled, and dilated.

    Parameters
    ----------
    volume : any positive density.
    smoothing : standard deviation of the Gaussian [Å]; about a bond length, so that atoms merge.
    dilation : how far the support reaches beyond the cut [Å].
    fill_limit : share of the volume above which there is no outside to speak of.

    Returns
    -------
    (nx, ny, nz) bool, or None for an empty volume and for an extended object.
    """
    values = np.maximum(volume.values, 0)
    smooth = np.sqrt(ndimage.gaussian_filter(values, smoothing / volume.voxel_size, mode="constant"))
    if smooth.max() <= 0:
        return None
    mask = smooth > threshold_otsu(smooth)
    labels, n_parts = ndimage.label(mask)
    if n_parts == 0:
        return None
    if n_parts > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    mask = ndimage.binary_fill_holes(mask)
    reach = dilation / volume.voxel_size
    mask = ndimage.distance_transform_edt(~mask) <= reach
    return None if mask.mean() > fill_limit else mask
