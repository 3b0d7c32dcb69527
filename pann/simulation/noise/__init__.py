"""Noise and distortion: what lies between the noise-free image of a perfect experiment and the recorded one."""

from pann.simulation.noise.distortions import Distortions
from pann.simulation.noise.drawn import Drawn

__all__ = ["Distortions", "Drawn"]
