"""Structures, the microscope, noise and simulated data; the only part that imports abTEM."""

from pann.simulation.config import SimulationConfig
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import series_psf
from pann.simulation.imaging.tiers import tier_from_mapping
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope
from pann.simulation.sample import Sample, random_sample
from pann.simulation.structures import build_structure

__all__ = [
    "Microscope",
    "Sample",
    "SimulationConfig",
    "Views",
    "atom_kernels",
    "build_structure",
    "random_sample",
    "series_psf",
    "tier_from_mapping",
]
