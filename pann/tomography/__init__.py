"""Projectors, reconstruction, alignment and support."""

from pann.tomography.alignment import Alignment, align
from pann.tomography.linear_map import Projector
from pann.tomography.projector import make_projector
from pann.tomography.reconstruct import Method, Reconstruction, reconstruct, reconstruct_details

__all__ = [
    "Alignment",
    "Method",
    "Projector",
    "Reconstruction",
    "align",
    "make_projector",
    "reconstruct",
    "reconstruct_details",
]
