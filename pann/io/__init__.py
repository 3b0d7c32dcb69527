"""Readers and writers of tilt series, volumes and atoms."""

from pann.io.angles import read_angles
from pann.io.atoms import read_atoms, write_atoms
from pann.io.tilt_series import read_tilt_series, write_tilt_series
from pann.io.volumes import read_volume, write_volume
from pann.io.weights import Weights, load_weights, save_weights

__all__ = [
    "Weights",
    "load_weights",
    "read_angles",
    "read_atoms",
    "read_tilt_series",
    "read_volume",
    "save_weights",
    "write_atoms",
    "write_tilt_series",
    "write_volume",
]
