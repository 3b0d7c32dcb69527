"""Crystal structures as point lattices with numbered sublattices."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.errors import InputError


@dataclass(frozen=True)
class Prototype:
    """A structure type in an orthogonal cell.

    Attributes
    ----------
    cell : edges of the cell in units of the lattice constant a.
    basis : fractional coordinates of the sites.
    sites : sublattice of each site, 0, 1, ...
    neighbour : nearest-neighbour distance in units of a.
    """

    cell: tuple[float, float, float]
    basis: tuple[tuple[float, float, float], ...]
    sites: tuple[int, ...]
    neighbour: float

    @property
    def density(self) -> float:
        """Sites per a³."""
        return len(self.basis) / float(np.prod(self.cell))

    @property
    def n_sublattices(self) -> int:
        """Number of distinct sublattices."""
        return max(self.sites) + 1


_FCC = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
_SHIFTED = tuple((x + 0.5, y, z) for x, y, z in _FCC)
_DIAMOND = tuple((x + 0.25, y + 0.25, z + 0.25) for x, y, z in _FCC)

PROTOTYPES: dict[str, Prototype] = {
    "fcc": Prototype((1, 1, 1), _FCC, (0,) * 4, sqrt(0.5)),
    "bcc": Prototype((1, 1, 1), ((0, 0, 0), (0.5, 0.5, 0.5)), (0, 0), sqrt(0.75)),
    "hcp": Prototype(
        (1, sqrt(3), sqrt(8 / 3)),
        ((0, 0, 0), (0.5, 0.5, 0), (0.5, 5 / 6, 0.5), (0, 1 / 3, 0.5)),
        (0,) * 4,
        1.0,
    ),
    "l10": Prototype((1, 1, 1), _FCC, (0, 1, 1, 0), sqrt(0.5)),
    "l12": Prototype((1, 1, 1), _FCC, (1, 0, 0, 0), sqrt(0.5)),
    "b2": Prototype((1, 1, 1), ((0, 0, 0), (0.5, 0.5, 0.5)), (0, 1), sqrt(0.75)),
    "diamond": Prototype((1, 1, 1), _FCC + _DIAMOND, (0,) * 8, sqrt(3) / 4),
    "zincblende": Prototype((1, 1, 1), _FCC + _DIAMOND, (0,) * 4 + (1,) * 4, sqrt(3) / 4),
    "rocksalt": Prototype((1, 1, 1), _FCC + _SHIFTED, (0,) * 4 + (1,) * 4, 0.5),
    "perovskite": Prototype(
        (1, 1, 1),
        ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
        (0, 1, 2, 2, 2),
        0.5,
    ),
}
"""Structure types by name. Sublattice 0 of l12 is the majority; perovskite is (A, B, O)."""


def prototype(name: str) -> Prototype:
    """The structure type `name`; InputError with the choices when there is none."""
    if name not in PROTOTYPES:
        raise InputError(f"structure: there is no crystal {name!r}; choose one of {', '.join(PROTOTYPES)}")
    return PROTOTYPES[name]


def crystal_sites(
    name: str,
    neighbour_distance: float,
    radius: float,
    rotation: ArrayLike | None = None,
    origin: ArrayLike = (0, 0, 0),
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sites of a crystal within `radius` of zero.

    Parameters
    ----------
    name : key of `PROTOTYPES`.
    neighbour_distance : shortest distance between sites [Å].
    radius : [Å].
    rotation : (3, 3) matrix from crystal axes to the frame of the particle.
    origin : fractional coordinates of the point of the cell that lies at zero.

    Returns
    -------
    (n, 3) positions [Å] and (n,) sublattice numbers.
    """
    kind = prototype(name)
    edges = np.asarray(kind.cell) * neighbour_distance / kind.neighbour
    reach = np.ceil(radius / edges).astype(int) + 1
    cells = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    fractional = cells + np.asarray(kind.basis)[None] - np.asarray(origin, dtype=np.float64)
    positions = (fractional * edges).reshape(-1, 3)
    sites = np.tile(np.asarray(kind.sites, dtype=np.int64), len(cells))
    inside = (positions**2).sum(1) <= radius**2
    positions = positions[inside]
    if rotation is not None:
        positions = positions @ np.asarray(rotation, dtype=np.float64).T
    return positions, sites[inside]
