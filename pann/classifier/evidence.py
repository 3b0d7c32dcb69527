"""What is known of a particle when its elements are to be named: volumes, and the images themselves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume


@dataclass(frozen=True, eq=False)
class Evidence:
    """Where the intensities of atoms are measured; only `raw` is always there.

    Attributes
    ----------
    raw : reconstruction of the images.
    refined : the refiner's density, where the atoms come from it; None without a refiner.
    presence : the refiner's presence of atoms, 1 at an atom that is certain; None without one.
    series : the images.
    background : (n_tilts,) of the images, or (n_tilts, nx, ny) with what else is in them [image units per pixel]; None
        for none. Not used without `series`.
    odds : (n_atoms,) ln odds that each of the atoms to be named is there, in their order, where the counts were asked
        about the peaks of `presence`; None where they were not.
    """

    raw: Volume
    refined: Volume | None = None
    presence: Volume | None = None
    series: TiltSeries | None = None
    background: NDArray[np.floating] | None = None
    odds: NDArray[np.floating] | None = None
