"""Stage 1: the network that refines a reconstruction, its training data and task."""

from pann.refiner.net import GlobalLocalResUNet
from pann.refiner.refine import Refiner, refined_threshold

__all__ = ["GlobalLocalResUNet", "Refiner", "refined_threshold"]
