"""Where atoms can be: the first stage of a recipe. The kinds are registered by the modules of this package."""

from collections.abc import Callable

from pann.simulation.structures.particle import Particle
from pann.simulation.structures.registry import Registry

SiteMaker = Callable[..., Particle]
"""(request, rng, options) -> particle."""

SITES: Registry[SiteMaker] = Registry("sites")
"""Kinds of sites, with the traits that decide what may be combined with them.

block: an infinite crystal, so planar defects can be put in. shape: cut by the shape of the recipe. own: brings its own
elements. mixed: brings the elements of the recipe already at their places. amorphous: without a lattice.
"""
