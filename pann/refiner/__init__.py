"""Stage 1: the network that refines a reconstruction, its training data and task."""

from pann.refiner.atoms import refined_threshold, trace_refined, weigh_refined
from pann.refiner.net import GlobalLocalResUNet
from pann.refiner.refine import Refined, Refiner

__all__ = ["GlobalLocalResUNet", "Refined", "Refiner", "refined_threshold", "trace_refined", "weigh_refined"]
