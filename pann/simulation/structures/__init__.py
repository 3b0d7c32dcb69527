"""Atomic structures of particles: recipes of composable stages (`pann.simulation.structures.recipe`)."""

from pann.simulation.structures.recipe import build_structure, check_recipe

__all__ = ["build_structure", "check_recipe"]
