"""Which atoms of a particle lie on its surface."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from pann.core.errors import InputError

REACH = 2.0
"""Length of the cone in nearest-neighbour distances (their median): far enough that the second shell closes the gaps of
open lattices (diamond, perovskite), near enough that it says nothing of the far side of a groove."""
HALF_ANGLE = 60.0
"""Half-angle [deg] above which an empty cone means surface. Atoms inside crystals and glasses have cones below 55°,
those on facets and edges above 65°; of the nine particles of the test set 0 to 14 % of the atoms lie in between."""


def surface_atoms(positions: ArrayLike, half_angle: float = HALF_ANGLE, reach: float = REACH) -> NDArray[np.bool_]:
    """Atoms that see the outside: those with an empty cone wider than `half_angle`, (n,) bool.

    The cone criterion of Wang, Teitel and Dellago (J. Chem. Phys. 122, 214722, 2005). It needs no bond length, no bulk
    coordination and no convex particle, so that it serves metals, perovskites and glasses alike.

    Parameters
    ----------
    positions : (n, 3) [Å], all atoms of the particle.
    half_angle : [deg].
    reach : length of the cone, in median nearest-neighbour distances.
    """
    return empty_cones(positions, reach) > half_angle


def empty_cones(positions: ArrayLike, reach: float = REACH) -> NDArray[np.float64]:
    """Half-angle [deg] of the widest cone at each atom that holds no other atom, (n,).

    The directions of the neighbours are points of a unit sphere. Each facet of their convex hull, at distance h from
    the centre, cuts off a cap of half-angle arccos h without points, and the nearest facet the widest one. Without
    four neighbours in general position there is no hull, and the cone is a half-space at least: 180°.
    """
    points = np.asarray(positions, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"positions have shape {points.shape}: expected (n, 3)")
    cones = np.full(len(points), 180.0)
    if len(points) < 2:
        return cones
    tree = cKDTree(points)
    spacing = float(np.median(tree.query(points, k=2)[0][:, 1]))
    for atom, neighbours in enumerate(tree.query_ball_point(points, reach * spacing)):
        steps = points[[other for other in neighbours if other != atom]] - points[atom]
        length = np.linalg.norm(steps, axis=1, keepdims=True)
        if len(steps) < 4 or not np.all(length > 0):
            continue
        try:
            nearest = -float(ConvexHull(steps / length).equations[:, 3].max())
        except QhullError:  # all in one plane
            continue
        cones[atom] = np.degrees(np.arccos(np.clip(nearest, -1.0, 1.0)))
    return cones
