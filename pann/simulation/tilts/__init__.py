"""Tilt schemes: which angles a series is taken at, from a recipe.

A recipe names its `kind` and the options of that kind, each a number or a range [lowest, highest] to draw from. Angles
come in the order of acquisition, from -limit upwards unless the kind says otherwise.
"""

from pann.simulation.tilts.axes import evenly_spaced
from pann.simulation.tilts.recipe import KINDS, check_tilts, tilt_scheme

__all__ = ["KINDS", "check_tilts", "evenly_spaced", "tilt_scheme"]
