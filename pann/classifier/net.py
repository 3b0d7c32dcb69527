"""The classifier: a graph-attention transformer over atoms that scores every candidate element against every atom.

Candidate elements are an input. Each is embedded from its scattering power among the others and its atomic number, so
one set of weights serves any alloy, any number of candidates, in any order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import TransformerConv, global_mean_pool

from pann.classifier.features import FeatureConfig, column_groups, n_features
from pann.classifier.graph import GraphConfig
from pann.classifier.pairs import COLUMNS, OF_NEIGHBOURS, PAIR_FEATURES
from pann.classifier.scattering import CANDIDATE_FEATURES
from pann.core.options import refuse_unknown

PARTS = ("neighbours", "zernike", "coordinates")
"""What an ablation can take away: other atoms, density moments, distances."""


class CandidateTransformer(nn.Module):
    """Logits of each candidate element, and of "not an atom", for every atom of a graph.

    Parameters
    ----------
    features : how atoms are described, see `FeatureConfig`; kept here because the weights fit no other description.
    graph : which atoms see each other, see `GraphConfig`.
    width : channels.
    layers : attention layers.
    heads : of each attention.
    dropout : share of attention weights and of hidden units dropped in training.
    without : any of `PARTS`, which the network is not shown, to learn what they are worth.

    Raises
    ------
    ConfigError : an unknown part.
    """

    feature_mean: Tensor
    feature_std: Tensor
    feature_seen: Tensor
    pair_seen: Tensor
    temperature: Tensor
    blend: Tensor

    def __init__(
        self,
        features: Mapping[str, Any],
        graph: Mapping[str, Any],
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        without: Sequence[str] = (),
    ) -> None:
        super().__init__()
        refuse_unknown("model.without", without, PARTS)
        self.without = frozenset(without)
        self.features = FeatureConfig.from_dict(dict(features))
        self.graph = GraphConfig(**graph)
        n_inputs = n_features(self.features)
        self.register_buffer("feature_mean", torch.zeros(n_inputs))
        self.register_buffer("feature_std", torch.ones(n_inputs))
        feature_seen, pair_seen = self._shown()
        self.register_buffer("feature_seen", feature_seen, persistent=False)
        self.register_buffer("pair_seen", pair_seen, persistent=False)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("blend", torch.zeros(()))
        self.encode_atom = _mlp(n_inputs, width, width, dropout)
        self.encode_edge = _mlp(self.graph.edge_features, width // 2, width // 2, 0.0)
        self.encode_candidate = _mlp(CANDIDATE_FEATURES, width, width, 0.0)
        self.relate_candidates = _mlp(3 * width, width, width, 0.0)
        self.not_an_atom = nn.Parameter(0.1 * torch.randn(width))
        self.believe = nn.Linear(width, width)
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.score_atom = nn.Linear(width, width)
        self.score_candidate = nn.Linear(width, width)
        self.score_pair = nn.Linear(PAIR_FEATURES, width)
        self.score = nn.Sequential(
            nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1)
        )
        # The mixture's log probability passes through: an untrained network answers nearly as the mixture does.
        self.trust = nn.Parameter(torch.eye(PAIR_FEATURES)[0])

    def _shown(self) -> tuple[Tensor, Tensor]:
        """1 for columns of the atoms (n_features,) and of the pairs (PAIR_FEATURES,) that are used, else 0."""
        features, pairs = torch.ones(n_features(self.features)), torch.ones(PAIR_FEATURES // COLUMNS, COLUMNS)
        groups = column_groups(self.features)
        if "zernike" in self.without:
            features[groups["zernike"]] = 0
        if self.without & {"neighbours", "coordinates"}:
            features[groups["surroundings"]] = 0
        if "neighbours" in self.without:
            pairs[:, list(OF_NEIGHBOURS)] = 0
        return features, pairs.flatten()

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Store mean and standard deviation (n_features,) of the training features, to standardise inputs with."""
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(std)

    def forward(self, data: Data) -> Tensor:
        """Calibrated log odds (n_atoms, n_candidates + 1), "not an atom" last; −inf at masked candidates.

        `data` is a graph or a batch of graphs from `pann.classifier.graph.build_graph`.
        """
        return self.calibrated(self.scores(data), data)

    def calibrated(self, scores: Tensor, data: Data) -> Tensor:
        """Logits from `scores`: the network's and the mixture's answers pooled with weight `blend`, over `temperature`.

        Only the choice among elements is pooled; whether there is an atom at all is the network's answer alone. The
        mixture is right where the training was too small to be, and the network where the mixture's assumptions fail.
        """
        owner = data.batch if data.batch is not None else data.x.new_zeros(len(data.x), dtype=torch.long)
        absent = ~data.candidate_mask[owner]
        network = scores.log_softmax(dim=1)
        elements, nothing = network[:, :-1], network[:, -1:]
        mixed = (1 - self.blend) * elements.masked_fill(absent, 0) + self.blend * data.pair[:, :-1, 0]
        share = mixed.masked_fill(absent, -torch.inf).log_softmax(dim=1)
        return torch.cat([elements.logsumexp(dim=1, keepdim=True) + share, nothing], dim=1) / self.temperature

    def scores(self, data: Data) -> Tensor:
        """The network's own logits, (n_atoms, n_candidates + 1)."""
        owner = data.batch if data.batch is not None else data.x.new_zeros(len(data.x), dtype=torch.long)
        n_graphs = len(data.candidate)
        inputs = ((data.x - self.feature_mean) / self.feature_std).clamp(-8, 8)
        hidden = self.encode_atom(inputs * self.feature_seen)
        pairs = data.pair * self.pair_seen
        candidates = self._candidates(data, global_mean_pool(hidden, owner, n_graphs))
        present = nn.functional.pad(data.candidate_mask, (0, 1), value=True)[owner]
        belief = pairs[..., 0].exp() * present
        hidden = hidden + self.believe((belief[..., None] * candidates[owner]).sum(1))
        edge_index, edges = self._edges(data)
        for layer in self.layers:
            hidden = layer(hidden, edge_index, edges, owner, n_graphs)
        joint = self.score_atom(self.norm(hidden))[:, None] + self.score_candidate(candidates)[owner]
        logits = self.score(joint + self.score_pair(pairs))[..., 0] + pairs @ self.trust
        return logits.masked_fill(~present, -torch.inf)

    def _edges(self, data: Data) -> tuple[Tensor, Tensor]:
        """Edges (2, n_edges) and their encoded features, without what the network is not shown."""
        if "neighbours" in self.without:
            return data.edge_index[:, :0], self.encode_edge(data.edge_attr[:0])
        attributes = data.edge_attr
        if "coordinates" in self.without:
            attributes = attributes * attributes.new_tensor([0.0] * (attributes.shape[1] - 1) + [1.0])
        return data.edge_index, self.encode_edge(attributes)

    def _candidates(self, data: Data, particle: Tensor) -> Tensor:
        """Embeddings (n_graphs, n_candidates + 1, width) that know the other candidates and the particle."""
        alone = self.encode_candidate(data.candidate)
        mask = data.candidate_mask[..., None].to(alone)
        mean = (alone * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        context = torch.cat([mean, particle[:, None]], dim=-1).expand(-1, alone.shape[1], -1)
        related = alone + self.relate_candidates(torch.cat([alone, context], dim=-1))
        return torch.cat([related, self.not_an_atom.expand(len(related), 1, -1)], dim=1)


class _Layer(nn.Module):
    """Attention over neighbours, then a feed-forward step that also sees the mean of the particle."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = TransformerConv(width, width // heads, heads, edge_dim=width // 2, dropout=dropout)
        self.norm_forward = nn.LayerNorm(width)
        self.forward_step = _mlp(2 * width, 2 * width, width, dropout)

    def forward(self, hidden: Tensor, edge_index: Tensor, edges: Tensor, owner: Tensor, n_graphs: int) -> Tensor:
        hidden = hidden + self.attention(self.norm_attention(hidden), edge_index, edges)
        normed = self.norm_forward(hidden)
        particle = global_mean_pool(normed, owner, n_graphs)
        return hidden + self.forward_step(torch.cat([normed, particle[owner]], dim=-1))


def _mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))
