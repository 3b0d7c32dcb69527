"""From volumes, images and traced positions to elements with probabilities."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pann.classifier.composition import composition_of, match_composition
from pann.classifier.evidence import Evidence
from pann.classifier.features import describe_atoms
from pann.classifier.graph import build_graph
from pann.classifier.intensity import integrated_intensity
from pann.classifier.net import CandidateTransformer
from pann.classifier.scattering import scattering_powers
from pann.core.atomic_model import AtomicModel
from pann.core.errors import CheckpointError, ConfigError
from pann.io.weights import Weights, load_weights

STAGE = "classifier"


class Classifier:
    """A trained network, ready for use.

    Parameters
    ----------
    net : with trained and calibrated weights.
    """

    def __init__(self, net: CandidateTransformer) -> None:
        self.net = net.eval()

    @classmethod
    def load(cls, path: str | Path) -> "Classifier":
        """Read weights from `path` (.safetensors); raises CheckpointError when they are not usable."""
        return cls.from_weights(load_weights(path, STAGE))

    @classmethod
    def from_weights(cls, weights: Weights) -> "Classifier":
        """Rebuild the network that `weights` describe."""
        try:
            net = CandidateTransformer(**weights.model)
            net.load_state_dict(weights.state)
        except (TypeError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"the classifier's weights do not fit this PANN ({reason}): train again") from error
        return cls(net)

    @torch.no_grad()
    def chances(self, evidence: Evidence, model: AtomicModel, elements: Sequence[int]) -> NDArray[np.float64]:
        """Probability (n, n_candidates + 1) that each atom of `model` is each of `elements`, or no atom at all (last).

        `evidence` as in `__call__`.
        """
        features = describe_atoms(evidence, model, self.net.features)
        graph = build_graph(features, elements, scattering_powers(elements), self.net.graph)
        every = self.net(graph).double().softmax(dim=1).numpy()
        return every[:, [*range(len(elements)), -1]]

    def __call__(
        self,
        evidence: Evidence,
        model: AtomicModel,
        elements: Sequence[int],
        reject: float | None = None,
        composition: Mapping[str, float] | None = None,
    ) -> AtomicModel:
        """The atoms of `model` with elements.

        Parameters
        ----------
        evidence : volumes and images that the positions refer to.
        model : traced atoms; their elements, if any, are ignored.
        elements : candidate atomic numbers, any order.
        reject : drop atoms whose probability of being no atom at all exceeds this; None keeps every atom.
        composition : amounts of the candidates by symbol, where they are known beforehand: the probabilities are
            reweighted until they agree, see `pann.classifier.composition.match_composition`.

        Returns
        -------
        AtomicModel with `numbers`, `probabilities` of the element named (among the candidates; with a single candidate,
        of being an atom), and `intensities` integrated over the ball of the features in the first volume.
        """
        if reject is not None and not 0 < reject <= 1:
            raise ConfigError(f"reject is {reject}: expected a probability in (0, 1], or nothing to keep every atom")
        shares = None if composition is None else composition_of(composition, elements)
        chances = self.chances(evidence, model, elements)
        if shares is not None:
            chances = match_composition(chances, shares)
        real, nothing = chances[:, :-1], chances[:, -1]
        chosen = real.argmax(axis=1)
        if len(elements) == 1:
            confidence = 1 - nothing
        else:
            confidence = real.max(axis=1) / np.maximum(real.sum(axis=1), np.finfo(float).tiny)
        classified = model.replace(
            numbers=np.asarray(elements, dtype=np.int64)[chosen],
            probabilities=np.clip(confidence, 0, 1),
            intensities=integrated_intensity(evidence.raw, model.positions, self.net.features.intensity_radius),
        )
        return classified if reject is None else classified.select(nothing <= reject)
