"""Noise and distortion: what lies between the noise-free image of a perfect experiment and the recorded one."""

from pann.simulation.noise.distortions import Distortions
from pann.simulation.noise.drawn import Drawn
from pann.simulation.noise.record import image_shifts, jittered_angles, record

__all__ = ["Distortions", "Drawn", "image_shifts", "jittered_angles", "record"]
