"""The lattices that are looked for: where their reflections lie, and the orientations that they may have."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

SPIRAL = 100_000
"""Orientations on the sphere of quaternions: some 5° apart."""


class Kind(NamedTuple):
    """A kind of lattice: its range of cells a [Å], and the turns that leave it as it is."""

    smallest: float
    largest: float
    group: str


KINDS = {"fcc": Kind(3.4, 6.7, "O"), "bcc": Kind(2.7, 4.3, "O"), "sc": Kind(2.7, 6.3, "O"), "hcp": Kind(2.4, 4.7, "D6")}
IDEAL = (8 / 3) ** 0.5
"""c / a of close-packed spheres."""


def reciprocal_nodes(kind: str, radius: float) -> NDArray[np.float64]:
    """(n, 3) nodes of the reciprocal lattice of `kind` within `radius`, in units of 1 / a; one of k and -k each."""
    reach = int(np.ceil(radius * IDEAL))
    h, k, n = (m.ravel() for m in np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"))
    odd = np.stack([h, k, n]) % 2
    present = {
        "fcc": np.isin(odd.sum(axis=0), (0, 3)),
        "bcc": (h + k + n) % 2 == 0,
        "sc": np.ones(len(h), bool),
        "hcp": ~(((h + 2 * k) % 3 == 0) & (n % 2 == 1)),
    }[kind]
    nodes = np.stack([h, (h + 2 * k) / 3**0.5, n / IDEAL] if kind == "hcp" else [h, k, n], axis=1).astype(float)
    first = (n > 0) | ((n == 0) & ((k > 0) | ((k == 0) & (h > 0))))
    return nodes[present & first & (np.linalg.norm(nodes, axis=1) < radius)]


@cache
def orientations(group: str) -> NDArray[np.float64]:
    """(n, 3, 3) turns, spread evenly over those that the symmetry `group` leaves distinct."""
    s = np.arange(SPIRAL) + 0.5
    inner, outer = np.sqrt(s / SPIRAL), np.sqrt(1 - s / SPIRAL)
    a, b = 2 * np.pi * s / 2**0.5, 2 * np.pi * s / 1.533751168755204288118041
    quaternions = np.stack([inner * np.sin(a), inner * np.cos(a), outer * np.sin(b), outer * np.cos(b)], axis=1)
    symmetries = Rotation.create_group(group).as_quat()
    turns = np.abs(quaternions @ (symmetries * [-1, -1, -1, 1]).T)  # cosine of half the angle, of each turn after each
    kept = np.abs(quaternions[:, 3]) >= turns.max(axis=1) - 1e-12
    return Rotation.from_quat(quaternions[kept]).as_matrix()
