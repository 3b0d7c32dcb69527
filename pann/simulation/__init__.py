"""Structures, the microscope, noise and simulated data; the only part that imports abTEM."""

from pann.simulation.dataset import write_samples
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.kernels import AtomKernel
from pann.simulation.imaging.linear import series_psf, simulate_linear
from pann.simulation.imaging.prism import PrismOptions, simulate_prism
from pann.simulation.microscope import Microscope
from pann.simulation.noise import record
from pann.simulation.sample import Sample, SampleConfig, random_sample
from pann.simulation.structures import FAMILIES, Disorder, random_particle

__all__ = [
    "FAMILIES",
    "AtomKernel",
    "Disorder",
    "Microscope",
    "PrismOptions",
    "Sample",
    "SampleConfig",
    "atom_kernels",
    "random_particle",
    "random_sample",
    "record",
    "series_psf",
    "simulate_linear",
    "simulate_prism",
    "write_samples",
]
