"""What is known of each atom together with each candidate element, before the network speaks.

The tied mixture gives every atom a first answer from its intensity alone. Neighbours add to it: where elements
segregate or order, those of an atom say much about it, and intensities drift slowly through a particle with its
thickness.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

from pann.classifier.features import MEASURES, AtomFeatures
from pann.classifier.mixture import tied_mixture

COLUMNS = 8
"""Columns of `pair_features` for each measure of the intensity."""
PAIR_FEATURES = COLUMNS * len(MEASURES)
"""Columns of `pair_features`."""
OF_NEIGHBOURS = (4, 5, 6, 7)
"""Those of a measure that look at other atoms."""
_LOG_FLOOR = -8.0
_BOND_REACH = 1.35
_REGION = 10.0
_BOND_PRIOR, _REGION_PRIOR = 0.5, 3.0


def pair_features(features: AtomFeatures, log_power: NDArray[np.float64]) -> NDArray[np.float32]:
    """Columns for every atom and candidate, "not an atom" last, (n, n_candidates + 1, PAIR_FEATURES).

    For each of `MEASURES` in turn:

    0. log probability of the candidate by the tied mixture;
    1. distance of the atom's log intensity from the candidate's mean, in widths of the class;
    2. the same in log intensity;
    3. share of the candidate in the particle;
    4. log enrichment of the candidate among the nearest neighbours, over that share;
    5. the same among the atoms within 10 Å;
    6. log enrichment of the candidate around atoms of its own kind, over the whole particle: positive where elements
       segregate, negative where they alternate;
    7. column 1 after the drift of the intensity within 10 Å is taken away.
    """
    bonds, region = _neighbours(features.positions)
    parts: list[NDArray[np.float64]] = []
    for place, measure in enumerate(features.log_intensities.T):
        first = next(k for k in range(place + 1) if np.array_equal(features.log_intensities[:, k], measure))
        # a source that is missing repeats another
        parts.append(
            parts[first] if first < place else _of_measure(measure.astype(np.float64), log_power, bonds, region)
        )
    return np.concatenate(parts, axis=-1).astype(np.float32)


def _of_measure(
    x: NDArray[np.float64], log_power: NDArray[np.float64], bonds: csr_array, region: csr_array
) -> NDArray[np.float64]:
    """The columns for log intensity `x` (n,), (n, n_candidates + 1, COLUMNS)."""
    n_candidates = len(log_power)
    fit = tied_mixture(x, log_power)
    share = np.exp(fit.log_posterior)
    residual = x[:, None] - fit.means
    composition = fit.fractions
    around = _smoothed_share(bonds, share, composition, _BOND_PRIOR)
    nearby = _smoothed_share(region, share, composition, _REGION_PRIOR)
    own_kind = (share * around).sum(0) / np.maximum(share.sum(0), 1e-6)
    drift = _drift(region, share[:, :-1], residual)

    columns = np.zeros((len(x), n_candidates + 1, COLUMNS))
    columns[..., 0] = np.maximum(fit.log_posterior, _LOG_FLOOR)
    columns[:, :-1, 1] = np.clip(residual / fit.widths, -5, 5)
    columns[:, -1, 1] = fit.widths.mean()
    columns[:, :-1, 2] = np.clip(residual, -3, 3)
    columns[..., 3] = composition
    columns[..., 4] = np.clip(np.log(around / composition), -4, 4)
    columns[..., 5] = np.clip(np.log(nearby / composition), -4, 4)
    columns[..., 6] = np.clip(np.log(np.maximum(own_kind, 1e-6) / composition), -4, 4)
    columns[:, :-1, 7] = np.clip((residual - drift[:, None]) / fit.widths, -5, 5)
    return columns


def _neighbours(positions: NDArray[np.float32]) -> tuple[csr_array, csr_array]:
    """Adjacency (n, n) of nearest neighbours, and of atoms in the same region; nobody is their own neighbour."""
    points = positions.astype(np.float64)
    tree = cKDTree(points)
    n = len(points)
    bond = float(np.median(tree.query(points, k=2)[0][:, 1])) if n > 1 else 1.0

    def within(radius: float) -> csr_array:
        pairs = tree.query_pairs(radius, output_type="ndarray")
        half = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(n, n))
        return (half + half.T).tocsr()

    return within(_BOND_REACH * bond), within(_REGION)


def _smoothed_share(
    near: csr_array, share: NDArray[np.float64], composition: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Share of each class among the neighbours, (n, n_classes), with `prior` neighbours of mean composition added."""
    return (near @ share + prior * composition) / (near.sum(axis=1)[:, None] + prior)


def _drift(near: csr_array, share: NDArray[np.float64], residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean deviation (n,) of the neighbours' log intensity from what their elements would have."""
    weight = share.sum(1)
    deviation = (share * np.clip(residual, -1, 1)).sum(1)
    return (near @ deviation) / (near @ weight + 2 * _REGION_PRIOR)
