"""Atoms that chemistry finds odd: too close to another, without neighbours, or with too many. They are named, never
removed: a surface, a defect or a wrong pixel size makes good atoms look odd as well.
"""

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core.atomic_model import AtomicModel

CLOSEST = 0.75
"""Shortest plausible bond, in sums of the two covalent radii (Cordero et al. 2008, in ASE)."""
BONDED = 1.3
"""Atoms nearer than this, in the same unit, count as neighbours."""
LONELY = 1.7
"""... and an atom without another nearer than this is alone."""
MOST = 16
"""Neighbours that the densest structures have (Frank and Kasper, Acta Cryst. 11 (1958) 184)."""


@dataclass(frozen=True, eq=False)
class Oddities:
    """Which atoms look odd, (n,) each.

    Attributes
    ----------
    close : nearer to another than any bond of the two elements.
    lonely : without any neighbour.
    crowded : with more neighbours than the densest structures have.
    """

    close: NDArray[np.bool_]
    lonely: NDArray[np.bool_]
    crowded: NDArray[np.bool_]

    @property
    def any(self) -> NDArray[np.bool_]:
        """Odd in any way, (n,)."""
        return self.close | self.lonely | self.crowded

    def notes(self) -> list[str]:
        """What a user should look at, one line for each kind."""
        texts = {
            "close": "nearer to another than a bond of their elements",
            "lonely": "without a neighbour at the distance of a bond",
            "crowded": f"with more than {MOST} neighbours",
        }
        found = {name: np.flatnonzero(getattr(self, name)) for name in texts}
        return [
            f"{len(rows)} atoms are {texts[name]} (first in model.xyz: {', '.join(str(row) for row in rows[:5])})"
            for name, rows in found.items()
            if len(rows)
        ]


def odd_atoms(model: AtomicModel) -> Oddities:
    """Oddities of `model`, whose elements should be known; pairs with an atom of unknown element count as fine."""
    n = len(model)
    radii = covalent_radii[model.numbers]
    known = model.numbers > 0
    reach = LONELY * 2 * float(radii[known].max()) if known.any() else 0.0
    pairs = (
        cKDTree(model.positions).query_pairs(reach, output_type="ndarray") if n > 1 and reach else np.zeros((0, 2), int)
    )
    pairs = pairs[known[pairs].all(axis=1)]
    distance = np.linalg.norm(model.positions[pairs[:, 0]] - model.positions[pairs[:, 1]], axis=1)
    bonds = distance / radii[pairs].sum(axis=1)

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(pairs[chosen].ravel(), minlength=n)

    return Oddities(count(bonds < CLOSEST) > 0, known & (count(bonds < LONELY) == 0), count(bonds < BONDED) > MOST)
