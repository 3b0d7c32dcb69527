"""Stage 2: the elements of traced atoms."""

from pann.classifier.classify import Classifier
from pann.classifier.evidence import Evidence
from pann.classifier.intensity import integrated_intensity
from pann.classifier.kmeans import gaussian_mixture, kmeans, scattering_mixture
from pann.classifier.plausible import odd_atoms
from pann.classifier.scattering import scattering_powers

__all__ = [
    "Classifier",
    "Evidence",
    "gaussian_mixture",
    "integrated_intensity",
    "kmeans",
    "odd_atoms",
    "scattering_mixture",
    "scattering_powers",
]
