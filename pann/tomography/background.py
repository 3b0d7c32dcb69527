"""The counts that do not come from the object: a constant per image."""

import numpy as np
from numpy.typing import NDArray

from pann.core.tilt_series import TiltSeries


def border_background(series: TiltSeries, width: int = 4) -> NDArray[np.float64]:
    """Mean of the emptiest side of each image's border, (n_tilts,), in image units per pixel.

    A particle may touch a side of the field, so the lowest of the four sides' means is taken over the whole series
    first; the side that is emptiest on average then gives every image its own value, which does not bias low the way a
    minimum over noisy images would.
    """
    images = series.images.astype(np.float64)
    sides = np.stack(
        [
            images[:, :width].mean((1, 2)),
            images[:, -width:].mean((1, 2)),
            images[:, :, :width].mean((1, 2)),
            images[:, :, -width:].mean((1, 2)),
        ]
    )
    return sides[sides.mean(1).argmin()]
