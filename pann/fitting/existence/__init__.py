"""Which atoms exist: likelihood-ratio tests with a stated false-positive rate."""

from pann.fitting.existence.decide import Existence, decide_atoms
from pann.fitting.existence.elements import element_probabilities
from pann.fitting.existence.evidence import Evidence, weigh_atoms
from pann.fitting.existence.scene import Scene
from pann.fitting.existence.threshold import expected_maxima, noise_threshold

__all__ = [
    "Evidence",
    "Existence",
    "Scene",
    "decide_atoms",
    "element_probabilities",
    "expected_maxima",
    "noise_threshold",
    "weigh_atoms",
]
