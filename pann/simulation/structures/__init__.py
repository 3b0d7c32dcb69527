"""Atomic structures of particles: recipes of composable stages (`pann.simulation.structures.recipe`)."""

from pann.simulation.structures.disorder import Disorder
from pann.simulation.structures.families import FAMILIES, random_particle
from pann.simulation.structures.recipe import build_structure, check_recipe

__all__ = ["FAMILIES", "Disorder", "build_structure", "check_recipe", "random_particle"]
