"""What the tests of structures measure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core import AtomicModel
from pann.core.random import generator
from pann.simulation.structures import build_structure

FOLDER = Path(__file__).resolve().parents[3] / "conf" / "simulation" / "structure"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
FROM_FILES = ("crystal_file", "file")


def shipped(name: str) -> dict[str, Any]:
    """The recipe of that name that comes with the package."""
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def build(recipe: Mapping[str, Any], index: int = 0) -> AtomicModel:
    return build_structure(recipe, generator(4, "test", index))


def nearest(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (n,) [Å] to the nearest other atom."""
    return np.asarray(cKDTree(positions).query(positions, k=2)[0][:, 1])


def neighbours(
    positions: NDArray[np.float64], cutoff: float, others: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Number of neighbours (n,) within `cutoff` [Å], among the `others` or the atoms themselves."""
    if others is None:
        return np.asarray(cKDTree(positions).query_ball_point(positions, cutoff, return_length=True)) - 1
    return np.asarray(cKDTree(others).query_ball_point(positions, cutoff, return_length=True))


def inside(positions: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Atoms (n,) farther than `margin` [Å] from the outermost one's sphere."""
    radius = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    return radius < radius.max() - margin


def environments(positions: NDArray[np.float64], bond: float) -> NDArray[np.str_]:
    """fcc, hcp or other for each atom (n,): common-neighbour analysis (Faken and Jónsson 1994).

    All twelve neighbours share four atoms with the centre; those four have two bonds among themselves. In fcc these
    bonds do not touch (421) for all twelve, in hcp they touch (422) for six.
    """
    close = [set(found) for found in cKDTree(positions).query_ball_point(positions, 1.2 * bond)]
    kinds = []
    for atom, found in enumerate(close):
        others = found - {atom}
        touching = []
        for other in others:
            common = sorted((close[other] & others) - {other})
            bonds = [(a, b) for k, a in enumerate(common) for b in common[:k] if b in close[a]]
            touching.append(len(set(bonds[0]) & set(bonds[1])) if len(common) == 4 and len(bonds) == 2 else -1)
        if len(others) != 12 or -1 in touching:
            kinds.append("other")
        else:
            kinds.append({0: "fcc", 6: "hcp"}.get(sum(touching), "other"))
    return np.array(kinds)
