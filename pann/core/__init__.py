"""Value objects, units, geometry and random generators; imports no other part of PANN."""

from pann.core.atomic_model import AtomicModel
from pann.core.errors import CheckpointError, ConfigError, InputError, PannError
from pann.core.psf import PointSpread
from pann.core.tilt_series import NoiseKind, TiltSeries
from pann.core.volume import Volume

__all__ = [
    "AtomicModel",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "NoiseKind",
    "PannError",
    "PointSpread",
    "TiltSeries",
    "Volume",
]
