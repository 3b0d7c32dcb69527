"""The particle as a graph: atoms with their features, bonds with distances, candidates with their scattering powers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor
from torch_geometric.data import Data

from pann.classifier.features import AtomFeatures
from pann.classifier.pairs import PAIR_FEATURES, pair_features
from pann.classifier.scattering import CANDIDATE_FEATURES, candidate_features
from pann.core.errors import InputError

MAX_CANDIDATES = 10
"""Candidates a graph has room for; unused places are masked."""
_CLOSEST = 1.5


@dataclass(frozen=True)
class GraphConfig:
    """Which atoms see each other.

    Attributes
    ----------
    cutoff : longest distance of neighbours [Å].
    max_neighbours : nearest neighbours kept within the cutoff, which bounds the memory.
    n_radial : Gaussians in which a distance is expanded.
    """

    cutoff: float = 4.5
    max_neighbours: int = 24
    n_radial: int = 12

    @property
    def edge_features(self) -> int:
        """Columns of the edge features."""
        return self.n_radial + 2


def build_graph(
    features: AtomFeatures, candidates: Sequence[int], powers: NDArray[np.float64], config: GraphConfig
) -> Data:
    """The graph of one particle for the given candidates.

    Parameters
    ----------
    features : from `pann.classifier.features.describe_atoms`.
    candidates : atomic numbers, any order.
    powers : scattering power of each.
    config : neighbourhood.

    Returns
    -------
    Data with ``x`` (n, n_features), ``edge_index`` (2, n_edges), ``edge_attr`` (n_edges, edge_features) and what
    `candidate_fields` adds.
    """
    edge_index, edge_attr = _edges(features, config)
    data = Data(x=torch.from_numpy(features.values), edge_index=edge_index, edge_attr=edge_attr)
    data.num_nodes = len(features.values)
    return data.update(candidate_fields(features, candidates, powers))


def candidate_fields(
    features: AtomFeatures, candidates: Sequence[int], powers: NDArray[np.float64]
) -> dict[str, Tensor]:
    """The part of a graph that depends on the candidates, padded to MAX_CANDIDATES.

    ``candidate`` (1, MAX, CANDIDATE_FEATURES), ``candidate_mask`` (1, MAX) true where there is one, and ``pair``
    (n, MAX + 1, PAIR_FEATURES), see `pann.classifier.pairs.pair_features`; the last place is "not an atom".
    """
    n_candidates = len(candidates)
    if n_candidates > MAX_CANDIDATES:
        raise InputError(f"elements: {n_candidates} candidates are named, at most {MAX_CANDIDATES} fit: name fewer")
    described = torch.zeros(1, MAX_CANDIDATES, CANDIDATE_FEATURES)
    described[0, :n_candidates] = torch.from_numpy(candidate_features(candidates, powers))
    mask = torch.zeros(1, MAX_CANDIDATES, dtype=torch.bool)
    mask[0, :n_candidates] = True
    pairs = torch.zeros(len(features.values), MAX_CANDIDATES + 1, PAIR_FEATURES)
    pairs[:, [*range(n_candidates), MAX_CANDIDATES]] = torch.from_numpy(pair_features(features, np.log(powers)))
    return {"candidate": described, "candidate_mask": mask, "pair": pairs}


def _edges(features: AtomFeatures, config: GraphConfig) -> tuple[Tensor, Tensor]:
    """Directed edges from neighbour to atom, (2, n_edges), and their features (n_edges, edge_features)."""
    positions = features.positions.astype(np.float64)
    n = len(positions)
    k = min(config.max_neighbours + 1, n)
    distance, index = cKDTree(positions).query(positions, k=k, distance_upper_bound=config.cutoff)
    distance, index = distance.reshape(n, k)[:, 1:], index.reshape(n, k)[:, 1:]
    near = np.isfinite(distance)
    target = np.repeat(np.arange(n), near.sum(1))
    source = index[near]
    length = distance[near]
    centres = np.linspace(_CLOSEST, config.cutoff, config.n_radial)
    width = centres[1] - centres[0]
    radial = np.exp(-0.5 * ((length[:, None] - centres) / width) ** 2)
    envelope = 0.5 * (np.cos(np.pi * length / config.cutoff) + 1)
    contrast = features.log_intensity[source] - features.log_intensity[target]
    attributes = np.concatenate([radial, envelope[:, None], contrast[:, None]], axis=1)
    edge_index = torch.from_numpy(np.stack([source, target]).astype(np.int64))
    return edge_index, torch.from_numpy(attributes.astype(np.float32))
