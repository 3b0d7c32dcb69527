"""From a volume and traced positions to elements with probabilities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pann.classifier.features import describe_atoms
from pann.classifier.graph import build_graph
from pann.classifier.intensity import integrated_intensity
from pann.classifier.net import CandidateTransformer
from pann.classifier.scattering import scattering_powers
from pann.core.atomic_model import AtomicModel
from pann.core.errors import CheckpointError, ConfigError
from pann.core.volume import Volume
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
            raise CheckpointError(
                f"the classifier's weights do not fit this PANN ({str(error).splitlines()[0]}): train again"
            ) from error
        return cls(net)

    @torch.no_grad()
    def __call__(
        self, volume: Volume, model: AtomicModel, elements: Sequence[int], reject: float | None = None
    ) -> AtomicModel:
        """The atoms of `model` with elements.

        Parameters
        ----------
        volume : reconstruction, raw or refined, that the positions refer to.
        model : traced atoms; their elements, if any, are ignored.
        elements : candidate atomic numbers, any order.
        reject : drop atoms whose probability of being no atom at all exceeds this; None keeps every atom.

        Returns
        -------
        AtomicModel with `numbers`, `probabilities` of the element named (among the candidates; with a single candidate,
        of being an atom), and `intensities` integrated over the ball of the features.
        """
        if reject is not None and not 0 < reject <= 1:
            raise ConfigError(f"reject is {reject}: expected a probability in (0, 1], or nothing to keep every atom")
        powers = scattering_powers(elements)
        features = describe_atoms(volume, model, self.net.features)
        graph = build_graph(features, elements, powers, self.net.graph)
        chances = self.net(graph).double().softmax(dim=1).numpy()
        real, nothing = chances[:, : len(elements)], chances[:, -1]
        chosen = real.argmax(axis=1)
        if len(elements) == 1:
            confidence = 1 - nothing
        else:
            confidence = real.max(axis=1) / np.maximum(real.sum(axis=1), np.finfo(float).tiny)
        classified = model.replace(
            numbers=np.asarray(elements, dtype=np.int64)[chosen],
            probabilities=np.clip(confidence, 0, 1),
            intensities=integrated_intensity(volume, model.positions, self.net.features.intensity_radius),
        )
        return classified if reject is None else classified.select(nothing <= reject)
