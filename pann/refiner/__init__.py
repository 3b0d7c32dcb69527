"""Stage 1: the network that refines a reconstruction, its training data and task."""

from pann.refiner.net import GlobalLocalResUNet
from pann.refiner.refine import Refiner

__all__ = ["GlobalLocalResUNet", "Refiner"]
