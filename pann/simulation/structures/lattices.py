"""Crystal lattices: a cell, its sites on numbered sublattices, and the sites within a ball."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

Sites = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Positions (n, 3) [Å] and sublattice numbers (n,)."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """A crystal structure.

    Attributes
    ----------
    cell : (3, 3), rows are the edges [Å].
    basis : (m, 3) fractional coordinates of the sites.
    sublattices : (m,) sublattice of each site, 0, 1, ...
    bond : nearest-neighbour distance [Å].
    numbers : atomic number of each sublattice; None where the recipe chooses the elements.
    pair : sublattices whose atoms touch, in a compound; None where all atoms are alike in size, as in an alloy.
    layers : of a layered crystal, fractional height of the middle of one layer and the distance to the next.
    """

    cell: NDArray[np.float64]
    basis: NDArray[np.float64]
    sublattices: NDArray[np.int64]
    bond: float
    numbers: tuple[int, ...] | None = None
    pair: tuple[int, int] | None = None
    layers: tuple[float, float] | None = None

    @property
    def density(self) -> float:
        """Sites per Å³."""
        return len(self.basis) / abs(float(np.linalg.det(self.cell)))

    @property
    def n_sublattices(self) -> int:
        """Number of distinct sublattices."""
        return int(self.sublattices.max()) + 1

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the sites on each sublattice."""
        return np.bincount(self.sublattices) / len(self.sublattices)

    def stretched(self, factor: float, third: float = 1.0) -> "Lattice":
        """The lattice with all lengths times `factor`, and the third edge also times `third`."""
        cell = self.cell * factor * np.array([[1.0], [1.0], [third]])
        return replace(self, cell=cell, bond=self.bond * factor)

    def ball(self, radius: float, origin: ArrayLike = (0, 0, 0)) -> Sites:
        """Sites within `radius` [Å] of zero; `origin` are the fractional coordinates of the point that lies there."""
        heights = 1 / np.linalg.norm(np.linalg.inv(self.cell), axis=0)
        reach = np.ceil(radius / heights).astype(int) + 1
        cells = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1)
        corners = (cells.reshape(-1, 3) - np.asarray(origin, dtype=np.float64)) @ self.cell
        # Whole cells that cannot reach the ball are left out before their sites are made.
        size = float(np.linalg.norm(self.basis @ self.cell, axis=1).max())
        corners = corners[(corners**2).sum(1) <= (radius + size) ** 2]
        positions = (corners[:, None] + (self.basis @ self.cell)[None]).reshape(-1, 3)
        sublattices = np.tile(self.sublattices, len(corners))
        inside = (positions**2).sum(1) <= radius**2
        return positions[inside], sublattices[inside]

    def normal(self, plane: Sequence[float]) -> NDArray[np.float64]:
        """Unit normal (3,) of the lattice plane with Miller indices `plane`."""
        vector = np.linalg.inv(self.cell) @ np.asarray(plane, dtype=np.float64)
        return vector / np.linalg.norm(vector)

    def direction(self, indices: Sequence[float]) -> NDArray[np.float64]:
        """Unit vector (3,) along the lattice direction [u, v, w]."""
        vector = np.asarray(indices, dtype=np.float64) @ self.cell
        return vector / np.linalg.norm(vector)

    def facets(self, plane: Sequence[int]) -> NDArray[np.float64]:
        """Unit normals (k, 3) of all planes that the symmetry of the cell makes equivalent to `plane`."""
        turned = np.einsum("oij,j->oi", cell_symmetry(self.cell), self.normal(plane))
        return np.unique(np.round(turned, 9), axis=0)


def cell_symmetry(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Point symmetry (k, 3, 3) of an empty cell along the Cartesian axes: cubic, tetragonal, orthorhombic, hexagonal.

    Other cells have the inversion only.
    """
    lengths = np.linalg.norm(cell, axis=1)
    if np.allclose(cell, np.diag(np.diag(cell)), atol=1e-6):
        same = np.isclose(lengths[:, None], lengths[None], rtol=1e-6)
        orders = [order for order in permutations(range(3)) if all(same[i, j] for i, j in enumerate(order))]
        signs = [np.diag(sign) for sign in product((1.0, -1.0), repeat=3)]
        return np.array([sign @ np.eye(3)[list(order)] for order in orders for sign in signs])
    hexagonal = np.isclose(lengths[0], lengths[1]) and np.isclose(cell[0] @ cell[1], -0.5 * lengths[0] ** 2, rtol=1e-6)
    if hexagonal and np.allclose(cell[2], [0, 0, lengths[2]]) and np.allclose(cell[0], [lengths[0], 0, 0]):
        turns = Rotation.from_euler("z", 60.0 * np.arange(6)[:, None], degrees=True).as_matrix()
        return np.array([turn @ np.diag(sign) for turn in turns for sign in product((1.0,), (1.0, -1.0), (1.0, -1.0))])
    return np.array([np.eye(3), -np.eye(3)])


_FCC = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)]
_EIGHTHS = [(x, y, z) for x, y, z in product((0.25, 0.75), repeat=3)]
_DIAMOND = [(x + 0.25, y + 0.25, z + 0.25) for x, y, z in _FCC]
_HALVES = [(x + 0.5, y, z) for x, y, z in _FCC]
_BCC = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)]


def _cubic(
    basis: Sequence[Sequence[float]], sublattices: Sequence[int], bond: float, pair: tuple[int, int] | None = None
) -> Lattice:
    """A cubic prototype with edge 1; `bond` in units of the edge."""
    return Lattice(np.eye(3), np.array(basis, dtype=float), np.array(sublattices), bond, pair=pair)


PROTOTYPES: dict[str, Lattice] = {
    "fcc": _cubic(_FCC, [0] * 4, sqrt(0.5)),
    "bcc": _cubic(_BCC, [0, 0], sqrt(0.75)),
    "hcp": Lattice(
        np.array([[1, 0, 0], [-0.5, sqrt(0.75), 0], [0, 0, sqrt(8 / 3)]]),
        np.array([(0, 0, 0), (1 / 3, 2 / 3, 0.5)]),
        np.array([0, 0]),
        1.0,
    ),
    "sc": _cubic([(0, 0, 0)], [0], 1.0),
    "l10": _cubic(_FCC, [0, 1, 1, 0], sqrt(0.5)),
    "l12": _cubic(_FCC, [1, 0, 0, 0], sqrt(0.5)),
    "b2": _cubic(_BCC, [0, 1], sqrt(0.75)),
    "diamond": _cubic(_FCC + _DIAMOND, [0] * 8, sqrt(3) / 4),
    "zincblende": _cubic(_FCC + _DIAMOND, [0] * 4 + [1] * 4, sqrt(3) / 4, (0, 1)),
    "rocksalt": _cubic(_FCC + _HALVES, [0] * 4 + [1] * 4, 0.5, (0, 1)),
    "fluorite": _cubic(_FCC + _EIGHTHS, [0] * 4 + [1] * 8, sqrt(3) / 4, (0, 1)),
    "perovskite": _cubic(
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)], [0, 1, 2, 2, 2], 0.5, (1, 2)
    ),
}
"""Structure types whose elements a recipe chooses, with edge 1.

Sublattice 0 of l12 is the majority; the last sublattice of rocksalt, zincblende, fluorite and perovskite (A, B, X) is
the anion's.
"""


def crystal_sites(
    name: str,
    neighbour_distance: float,
    radius: float,
    rotation: ArrayLike | None = None,
    origin: ArrayLike = (0, 0, 0),
) -> Sites:
    """Sites of a prototype within `radius` of zero.

    Parameters
    ----------
    name : key of `PROTOTYPES`.
    neighbour_distance : shortest distance between sites [Å].
    radius : [Å].
    rotation : (3, 3) matrix from crystal axes to the frame of the particle.
    origin : fractional coordinates of the point of the cell that lies at zero.
    """
    lattice = PROTOTYPES[name]
    positions, sublattices = lattice.stretched(neighbour_distance / lattice.bond).ball(radius, origin)
    return positions if rotation is None else positions @ np.asarray(rotation, dtype=np.float64).T, sublattices
