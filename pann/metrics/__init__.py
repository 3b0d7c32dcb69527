"""What recovery, precision, RMSD, R-factor and resolution mean here."""

from pann.metrics.by_place import score_by_place
from pann.metrics.fourier_shell import fourier_shell_correlation, resolution
from pann.metrics.frames import transform_axes
from pann.metrics.images import r_factor, r_factor_per_tilt
from pann.metrics.matching import distances_to_found, match, registration_shift
from pann.metrics.running import ElementCalibrationError, PositionRMSD, Precision, Recovery
from pann.metrics.scores import score
from pann.metrics.surface import surface_atoms

__all__ = [
    "ElementCalibrationError",
    "PositionRMSD",
    "Precision",
    "Recovery",
    "distances_to_found",
    "fourier_shell_correlation",
    "match",
    "r_factor",
    "r_factor_per_tilt",
    "registration_shift",
    "resolution",
    "score",
    "score_by_place",
    "surface_atoms",
    "transform_axes",
]
