"""Data sets on disk: sharded HDF5, resumable, the same whatever the number of workers."""

from pann.simulation.datasets.estimate import Estimate, estimate
from pann.simulation.datasets.generate import Generated, generate
from pann.simulation.datasets.plan import Plan
from pann.simulation.datasets.source import DataSet, SampleSource, sample_source

__all__ = ["DataSet", "Estimate", "Generated", "Plan", "SampleSource", "estimate", "generate", "sample_source"]
