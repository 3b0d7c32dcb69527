"""The classifier: a graph-attention transformer over atoms that scores every candidate element against every atom.

Candidate elements are an input. Each is embedded from its scattering power among the others and its atomic number, so
one set of weights serves any alloy, any number of candidates, in any order.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import TransformerConv, global_mean_pool

from pann.classifier.features import FeatureConfig, n_features
from pann.classifier.graph import GraphConfig
from pann.classifier.pairs import PAIR_FEATURES
from pann.classifier.scattering import CANDIDATE_FEATURES


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
    """

    feature_mean: Tensor
    feature_std: Tensor
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
    ) -> None:
        super().__init__()
        self.features = FeatureConfig.from_dict(dict(features))
        self.graph = GraphConfig(**graph)
        n_inputs = n_features(self.features)
        self.register_buffer("feature_mean", torch.zeros(n_inputs))
        self.register_buffer("feature_std", torch.ones(n_inputs))
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
        hidden = self.encode_atom(((data.x - self.feature_mean) / self.feature_std).clamp(-8, 8))
        candidates = self._candidates(data, global_mean_pool(hidden, owner, n_graphs))
        present = nn.functional.pad(data.candidate_mask, (0, 1), value=True)[owner]
        belief = data.pair[..., 0].exp() * present
        hidden = hidden + self.believe((belief[..., None] * candidates[owner]).sum(1))
        edges = self.encode_edge(data.edge_attr)
        for layer in self.layers:
            hidden = layer(hidden, data.edge_index, edges, owner, n_graphs)
        joint = self.score_atom(self.norm(hidden))[:, None] + self.score_candidate(candidates)[owner]
        logits = self.score(joint + self.score_pair(data.pair))[..., 0] + data.pair @ self.trust
        return logits.masked_fill(~present, -torch.inf)

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
