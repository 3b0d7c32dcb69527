"""What recovery, precision, RMSD, R-factor and resolution mean here."""

from pann.metrics.images import r_factor, r_factor_per_tilt
from pann.metrics.matching import match, registration_shift
from pann.metrics.scores import score

__all__ = ["match", "r_factor", "r_factor_per_tilt", "registration_shift", "score"]
