"""Stage 1: the network that refines a reconstruction, its training data and task."""

from pann.refiner.atoms import least_odds, refined_threshold, trace_refined, weigh_refined
from pann.refiner.net import GlobalLocalResUNet
from pann.refiner.refine import Refined, Refiner

__all__ = [
    "GlobalLocalResUNet",
    "Refined",
    "Refiner",
    "least_odds",
    "refined_threshold",
    "trace_refined",
    "weigh_refined",
]
