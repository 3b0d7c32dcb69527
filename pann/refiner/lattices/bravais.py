"""The lattices that are looked for: where their reflections lie, and the orientations that they may have."""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

SPIRAL = 100_000
"""Orientations on the sphere of quaternions: some 5° apart."""
ALIKE = 0.05
"""Nodes of twins that are nearer are one, in units of 1 / a."""

Cells = Callable[[], NDArray[np.float64]]


class Kind(NamedTuple):
    """A kind of lattice, or of several lattices that grow together.

    Attributes
    ----------
    smallest, largest : cells a that are tried [Å].
    group : the turns that leave it as it is.
    cells : gives the primitive vectors (grains, 3, 3) of each grain, in units of a.
    side : edge, in units of a, of a cube in which each of its atoms occurs.
    """

    smallest: float
    largest: float
    group: str
    cells: Cells
    side: float = 1.0


def _cubic(*vectors: tuple[float, float, float]) -> Cells:
    return lambda: np.array([vectors])


def _hexagonal() -> NDArray[np.float64]:
    return np.array([[[1, 0, 0], [-1 / 2, 3**0.5 / 2, 0], [0, 0, (8 / 3) ** 0.5]]])


def _decahedral() -> NDArray[np.float64]:
    """Five fcc tetrahedra about a common edge, along z, strained to close the gap of 7°."""
    around = 2 * np.pi * np.arange(5) / 5
    corners = np.stack([3**0.5 / 2 * np.cos(around), 3**0.5 / 2 * np.sin(around), np.full(5, 0.5)], axis=1)
    grains = [[(0.0, 0.0, 1.0), corners[k], corners[(k + 1) % 5]] for k in range(5)]
    return np.array(grains) / 2**0.5


def _icosahedral() -> NDArray[np.float64]:
    """Twenty fcc tetrahedra about a common corner, opposite ones alike, strained to close the gaps."""
    golden = (1 + 5**0.5) / 2
    corners = [np.roll([0.0, s, t * golden], shift) for shift in range(3) for s in (1, -1) for t in (1, -1)]
    corners = [corner / np.linalg.norm(corner) for corner in corners]
    faces = [
        np.array(face)
        for face in combinations(corners, 3)
        if all(np.dot(one, other) > 0.4 for one, other in combinations(face, 2))
    ]
    first = [face for face in faces if tuple(face.sum(axis=0).round(6)) > (0, 0, 0)]
    return np.array(first) / 2**0.5


KINDS = {
    "fcc": Kind(3.4, 6.7, "O", _cubic((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))),
    "bcc": Kind(2.7, 4.3, "O", _cubic((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5))),
    "sc": Kind(2.7, 6.3, "O", _cubic((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "hcp": Kind(2.4, 4.7, "D6", _hexagonal, 1.7),
    "decahedron": Kind(3.4, 4.4, "D5", _decahedral),
    "icosahedron": Kind(3.4, 4.4, "I", _icosahedral),
}


def reciprocal_nodes(kind: str, radius: float) -> NDArray[np.float64]:
    """(n, 3) nodes of the reciprocal lattice of `kind` within `radius`, in units of 1 / a; one of k and -k each.

    Those of all grains. In hcp those where two layers cancel are left out (h + 2 k = 3 n with odd l).
    """
    cells = KINDS[kind].cells()
    reach = int(np.ceil(radius * np.linalg.norm(cells, axis=-1).max()))
    hkl = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    if kind == "hcp":
        hkl = hkl[((hkl[:, 0] + 2 * hkl[:, 1]) % 3 != 0) | (hkl[:, 2] % 2 == 0)]
    nodes = np.concatenate([hkl @ np.linalg.inv(cell).T for cell in cells])
    sizes = np.linalg.norm(nodes, axis=1)
    nodes = nodes[(sizes > ALIKE) & (sizes < radius)]
    return _distinct(nodes[[tuple(node) > (0, 0, 0) for node in nodes[:, ::-1].round(6)]])


def _distinct(nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """`nodes` (n, 3) without those that are `ALIKE` an earlier one or its opposite."""
    apart = np.linalg.norm(nodes[:, None] - nodes, axis=-1)
    apart = np.minimum(apart, np.linalg.norm(nodes[:, None] + nodes, axis=-1))
    return nodes[~np.tril(apart < ALIKE, -1).any(axis=1)]


@cache
def orientations(group: str) -> NDArray[np.float64]:
    """(n, 3, 3) turns, spread evenly over those that the symmetry `group` leaves distinct.

    They lie on super-Fibonacci spirals (Alexa, CVPR 2022, 8281).
    """
    s = np.arange(SPIRAL) + 0.5
    inner, outer = np.sqrt(s / SPIRAL), np.sqrt(1 - s / SPIRAL)
    a, b = 2 * np.pi * s / 2**0.5, 2 * np.pi * s / 1.533751168755204288118041
    quaternions = np.stack([inner * np.sin(a), inner * np.cos(a), outer * np.sin(b), outer * np.cos(b)], axis=1)
    symmetries = Rotation.create_group(group).as_quat()
    turns = np.abs(quaternions @ (symmetries * [-1, -1, -1, 1]).T)  # cosine of half the angle, of each turn after each
    kept = np.abs(quaternions[:, 3]) >= turns.max(axis=1) - 1e-12
    return Rotation.from_quat(quaternions[kept]).as_matrix()
