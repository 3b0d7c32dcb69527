"""Planar defects of an infinite crystal: twins, stacking faults, grain boundaries."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from pann.simulation.structures.cutting import Block
from pann.simulation.structures.disorder import MINIMUM_DISTANCE, keep_apart
from pann.simulation.structures.lattices import Lattice, Sites
from pann.simulation.structures.options import Real, Vector
from pann.simulation.structures.registry import Registry
from pann.simulation.structures.shapes import random_rotation

PlanarMaker = Callable[..., Block]
"""(block, lattice, size, rng, options) -> block with the defect; `size` [Å] is the radius of the particle."""

PLANAR: Registry[PlanarMaker] = Registry("defects")
"""Defects that are put into the crystal before the particle is cut out of it."""

_ON_PLANE = 1e-3
"""Distance [Å] within which a site lies on a plane."""


def _heights(
    block: Block, normal: NDArray[np.float64], number: int, size: float, rng: np.random.Generator
) -> list[float]:
    """Sorted heights of `number` planes through atoms of the inner part of the particle; fewer where it has fewer."""
    levels = np.unique(np.round(block(size)[0] @ normal, 4))
    inner = levels[np.abs(levels) < 0.6 * size]
    return sorted(rng.choice(inner, size=min(number, len(inner)), replace=False).tolist())


def _through(sites: Sites, normal: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """The site on the plane of that height that lies nearest to zero."""
    positions = sites[0]
    on_plane = positions[np.abs(positions @ normal - height) < _ON_PLANE]
    return on_plane[np.argmin((on_plane**2).sum(1))]


def _slab(sites: Sites, normal: NDArray[np.float64], low: float, high: float) -> Sites:
    """The sites above the plane `low` and up to the plane `high`."""
    heights = sites[0] @ normal
    inside = (heights > low + _ON_PLANE) & (heights <= high + _ON_PLANE)
    return sites[0][inside], sites[1][inside]


def _joined(parts: list[Sites], radius: float) -> Sites:
    positions = np.concatenate([part[0] for part in parts])
    kinds = np.concatenate([part[1] for part in parts])
    inside = (positions**2).sum(1) <= radius**2
    return positions[inside], kinds[inside]


@PLANAR.add("twins", "block", number=Real(0, 20, 1, whole=True), plane=Vector([1, 1, 1]))
def twins(
    block: Block, lattice: Lattice, size: float, rng: np.random.Generator, number: int, plane: list[float]
) -> Block:
    """Twin boundaries on parallel planes: beyond each the crystal is turned by 180° about the normal of the plane.

    The axis goes through an atom on the plane. In fcc and all crystals with an inversion centre on that atom this is
    the mirror image in the plane.
    """
    normal = lattice.normal(plane)
    heights = _heights(block, normal, number, size, rng)
    half_turn = 2 * np.outer(normal, normal) - np.eye(3)
    maps = [(np.eye(3), np.zeros(3))]
    for height in heights:
        turn, shift = maps[-1]
        # A site on the plane, of the crystal below it.
        below = _through(_mapped(block, maps[-1], size), normal, height)
        maps.append((half_turn @ turn, half_turn @ (shift - below) + below))
    edges = [-np.inf, *heights, np.inf]

    def twinned(radius: float) -> Sites:
        return _joined(
            [
                _slab(_mapped(block, change, radius), normal, low, high)
                for change, (low, high) in zip(maps, pairwise(edges), strict=True)
            ],
            radius,
        )

    return twinned


def _mapped(block: Block, change: tuple[NDArray[np.float64], NDArray[np.float64]], radius: float) -> Sites:
    """Sites within `radius` of the block turned and shifted by `change`."""
    turn, shift = change
    positions, kinds = block(radius + float(np.linalg.norm(shift)))
    positions = positions @ turn.T + shift
    inside = (positions**2).sum(1) <= radius**2
    return positions[inside], kinds[inside]


@PLANAR.add(
    "stacking_faults",
    "block",
    number=Real(0, 20, 1, whole=True),
    plane=Vector([1, 1, 1]),
    shift=Vector([1 / 6, 1 / 6, -1 / 3]),
)
def stacking_faults(
    block: Block,
    lattice: Lattice,
    size: float,
    rng: np.random.Generator,
    number: int,
    plane: list[float],
    shift: list[float],
) -> Block:
    """Stacking faults on parallel planes: the crystal above each is displaced by `shift` (fractional coordinates).

    The default is Shockley's partial a/6 [1 1 -2] on (111) of a cubic cell: ABC|BCA. Of the shift and its opposite the
    one is taken that leaves the atoms farther apart.
    """
    normal = lattice.normal(plane)
    heights = _heights(block, normal, number, size, rng)
    vector = np.asarray(shift) @ lattice.cell
    positions = block(size)[0]
    side = positions @ normal <= (heights[0] if heights else 0.0) + _ON_PLANE
    if heights and side.any() and not side.all():
        gaps = [cKDTree(positions[side]).query(positions[~side] + sign * vector)[0].min() for sign in (1, -1)]
        vector = vector if gaps[0] >= gaps[1] - _ON_PLANE else -vector
    edges = [-np.inf, *heights, np.inf]

    def faulted(radius: float) -> Sites:
        parts = [
            _slab(_mapped(block, (np.eye(3), k * vector), radius), normal, low, high)
            for k, (low, high) in enumerate(pairwise(edges))
        ]
        return _joined(parts, radius)

    return faulted


@PLANAR.add(
    "grains",
    "block",
    number=Real(1, 20, 2, whole=True),
    angle=Real(0, 180, None),
    axis=Vector("random"),
    gap=Real(0.5, 1, 0.8),
)
def grains(
    block: Block,
    lattice: Lattice,
    size: float,
    rng: np.random.Generator,
    number: int,
    angle: float | None,
    axis: list[float] | str,
    gap: float,
) -> Block:
    """Grains that meet at planes: the crystal of a point is that of the nearest of `number` random seeds.

    Parameters
    ----------
    angle : of each grain against the first [deg]; unrelated orientations where it is null.
    axis : lattice direction about which the grains are turned, or random.
    gap : of two atoms that come closer at a boundary than this share of the bond, one is left out.
    """
    seeds = size * rng.uniform(-0.6, 0.6, size=(number, 3))
    turns, shifts = [np.eye(3)], [np.zeros(3)]
    for _ in range(number - 1):
        along = lattice.direction(axis) if not isinstance(axis, str) else random_rotation(rng)[0]
        turned = random_rotation(rng) if angle is None else Rotation.from_rotvec(np.radians(angle) * along).as_matrix()
        turns.append(turned)
        shifts.append(rng.uniform(-0.5, 0.5, size=3) @ lattice.cell)

    def polycrystal(radius: float) -> Sites:
        parts = []
        for k, change in enumerate(zip(turns, shifts, strict=True)):
            positions, kinds = _mapped(block, change, radius)
            own = cKDTree(seeds).query(positions)[1] == k
            parts.append((positions[own], kinds[own]))
        positions, kinds = _joined(parts, radius)
        apart = keep_apart(positions, max(gap * lattice.bond, MINIMUM_DISTANCE))
        return positions[apart], kinds[apart]

    return polycrystal
