"""Projectors, reconstruction, alignment and support."""

from pann.tomography.linear_map import Projector
from pann.tomography.projector import make_projector
from pann.tomography.reconstruct import Method, Reconstruction, reconstruct, reconstruct_details

__all__ = ["Method", "Projector", "Reconstruction", "make_projector", "reconstruct", "reconstruct_details"]
