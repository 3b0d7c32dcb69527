"""Atoms fitted to the images by likelihood, with error bars and their physical limit."""

from pann.fitting.guards import AtomFlag
from pann.fitting.maximum_likelihood import fit
from pann.fitting.result import FitResult

__all__ = ["AtomFlag", "FitResult", "fit"]
