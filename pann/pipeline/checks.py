"""Signs that something is wrong with a run although it finished."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core import AtomicModel, TiltSeries
from pann.core.elements import shortest_bond
from pann.tomography.background import border_background

USUAL_BONDS = (1.9, 3.4)
"""Median nearest-neighbour distance [Å] that solids have, where no element is named."""
BOND_RANGE = (0.7, 1.45)
"""... in shortest bonds of the named elements (twice the smallest covalent radius)."""
BRIGHT_BORDER = 0.3
"""Share of the mean above the background at which the emptiest border says that the object is cut."""


def check_bonds(model: AtomicModel, elements: Sequence[int]) -> list[str]:
    """A warning when the nearest-neighbour distances say that the pixel size is wrong."""
    if len(model) < 10:
        return [f"only {len(model)} atoms were found: check pixel_size, angle_sign and the candidate elements"]
    distances, _ = cKDTree(model.positions).query(model.positions, k=2)
    median = float(np.median(distances[:, 1]))
    low, high = USUAL_BONDS
    if elements:
        low, high = (share * shortest_bond(elements) for share in BOND_RANGE)
    if low <= median <= high:
        return []
    return [
        f"the median nearest-neighbour distance is {median:.2f} Å, outside {low:.2f}-{high:.2f} Å: check pixel_size"
    ]


def check_field(series: TiltSeries, background: NDArray[np.float64], extended: bool) -> list[str]:
    """A warning when the object reaches the border of the field on all sides and is reconstructed as if it did not."""
    signal = float(series.images.mean()) - float(background.mean())
    border = float(border_background(series).mean()) - float(background.mean())
    if extended or border < BRIGHT_BORDER * signal:
        return []
    return [
        "the images are bright up to their border: for a film wider than the field set reconstruction.extended=true"
    ]
