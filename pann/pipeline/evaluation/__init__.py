"""The chain with and without a refiner, compared on series whose truth is known."""

from pann.pipeline.evaluation.arms import NETWORK_FREE, Arm, network_free, with_refiner
from pann.pipeline.evaluation.cases import Case, Scheme, Target, realism_cases, series_files, simulated_cases
from pann.pipeline.evaluation.comparison import compare
from pann.pipeline.evaluation.rows import RowFile
from pann.pipeline.evaluation.tables import Pooled, comparison_tables

__all__ = [
    "NETWORK_FREE",
    "Arm",
    "Case",
    "Pooled",
    "RowFile",
    "Scheme",
    "Target",
    "compare",
    "comparison_tables",
    "network_free",
    "realism_cases",
    "series_files",
    "simulated_cases",
    "with_refiner",
]
