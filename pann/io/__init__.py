"""Readers and writers of tilt series, volumes and atoms."""

from pann.io.atoms import read_atoms, write_atoms
from pann.io.tilt_series import read_tilt_series, write_tilt_series
from pann.io.weights import Weights, load_weights, save_weights

__all__ = [
    "Weights",
    "load_weights",
    "read_atoms",
    "read_tilt_series",
    "save_weights",
    "write_atoms",
    "write_tilt_series",
]
