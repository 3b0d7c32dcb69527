"""Which atoms leave, and which places are tried: bookkeeping of one round."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core import AtomicModel
from pann.fitting.existence.evidence import Evidence
from pann.fitting.existence.search import Search

SAME_PLACE = 0.8
"""No atom is added again so close [Å] to where one was taken away."""
APART = 3.0
"""Atoms closer than this [Å] share their evidence: of several that fail, only the weakest leaves in one round."""
USUAL_NEAREST = 2.5
"""Nearest-neighbour distance [Å] where there are too few atoms to measure one."""


def intensities_by_element(model: AtomicModel) -> tuple[NDArray[np.int64], list[float]]:
    """Atomic numbers of `model` and the fitted intensity of each, which its atoms share."""
    kinds, first = np.unique(model.numbers, return_index=True)
    return kinds, [float(value) for value in np.asarray(model.intensities)[first]]


def failing(
    model: AtomicModel, evidence: Evidence, level: float, log_odds: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Atoms without enough evidence, (n_atoms,): the weakest of each neighbourhood.

    Parameters
    ----------
    level : that √T_free must exceed.
    log_odds : (n_atoms,) logarithm of the prior odds of each atom: twice that is added to T_free and to T(H), which are
        twice a logarithm of a likelihood ratio.
    """
    known = 0.0 if log_odds is None else 2 * log_odds
    short = np.minimum(np.sqrt(np.maximum(evidence.free + known, 0.0)) - level, evidence.best + known)
    gone, blocked = np.zeros(len(model), dtype=bool), np.zeros(len(model), dtype=bool)
    tree = cKDTree(model.positions)
    for atom in np.argsort(short, kind="stable")[: int((short < 0).sum())]:
        if not blocked[atom]:
            gone[atom] = True
            blocked[tree.query_ball_point(model.positions[atom], APART)] = True
    if gone.all():
        gone[np.argmax(short)] = False
    return gone


def usual_nearest(model: AtomicModel) -> float:
    """Median distance of an atom to its nearest neighbour [Å]."""
    if len(model) < 2:
        return USUAL_NEAREST
    return float(np.median(cKDTree(model.positions).query(model.positions, k=2)[0][:, 1]))


def places_to_try(found: Search, lowest: float, refused: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """Maxima above `lowest`, away from where atoms were refused, no two closer than `distance` [Å]; highest first."""
    candidates = found.positions[found.heights > lowest]
    if len(refused) and len(candidates):
        candidates = candidates[cKDTree(refused).query(candidates)[0] > SAME_PLACE]
    tree = cKDTree(candidates) if len(candidates) else None
    free = np.ones(len(candidates), dtype=bool)
    for k in range(len(candidates)):
        if free[k] and tree is not None:
            near = np.array(tree.query_ball_point(candidates[k], distance))
            free[near[near > k]] = False
    return candidates[free]


def with_places(model: AtomicModel, places: NDArray[np.float64]) -> AtomicModel:
    """`model` and, without light, atoms at `places`."""
    dark = np.zeros(len(places))
    return AtomicModel(
        np.concatenate([model.positions, places]),
        np.concatenate([model.numbers, np.zeros(len(places), dtype=np.int64)]),
        intensities=np.concatenate([np.asarray(model.intensities), dark]),
    )


def joined(model: AtomicModel, added: AtomicModel) -> AtomicModel:
    """Both, in this order; new atoms come with no probability of their element yet."""
    chances = model.probabilities
    return AtomicModel(
        np.concatenate([model.positions, added.positions]),
        np.concatenate([model.numbers, added.numbers]),
        None if chances is None else np.concatenate([chances, np.zeros(len(added))]),
        name=model.name,
        metadata=model.metadata,
    )
