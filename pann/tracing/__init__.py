"""From a volume to atom positions."""

from pann.tracing.intensity import integrated_intensities
from pann.tracing.subvoxel import Refinement
from pann.tracing.support import find_support
from pann.tracing.tracer import trace

__all__ = ["Refinement", "find_support", "integrated_intensities", "trace"]
