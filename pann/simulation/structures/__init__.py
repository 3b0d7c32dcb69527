"""Atomic structures of particles: crystals, alloys, defects and disorder."""

from pann.simulation.structures.disorder import Disorder
from pann.simulation.structures.families import FAMILIES, random_particle

__all__ = ["FAMILIES", "Disorder", "random_particle"]
