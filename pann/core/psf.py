"""The lateral profile of one atom in an image: probe, source size and thermal motion as a sum of Gaussians."""

from dataclasses import dataclass
from math import isfinite, sqrt

from pann.core.errors import InputError


@dataclass(frozen=True)
class PointSpread:
    """Rotationally symmetric point spread function PSF(r) = Σₖ wₖ N(r; σₖ), of unit integral.

    Attributes
    ----------
    sigmas : standard deviation of each Gaussian [Å].
    weights : share of the intensity in each Gaussian; they add to one.
    """

    sigmas: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.sigmas or len(self.sigmas) != len(self.weights):
            raise InputError(f"psf: {len(self.sigmas)} sigmas and {len(self.weights)} weights: give one weight each")
        if not all(isfinite(sigma) and sigma > 0 for sigma in self.sigmas):
            raise InputError(f"psf: sigmas are {self.sigmas}: expected positive numbers [Å]")
        if any(weight < 0 for weight in self.weights) or abs(sum(self.weights) - 1) > 1e-6:
            raise InputError(f"psf: weights are {self.weights}: expected shares that add to 1")

    @classmethod
    def core_and_halo(cls, sigma: float, halo_weight: float = 0.18, halo_ratio: float = 3.0) -> "PointSpread":
        """A core of `sigma` [Å] and a halo `halo_ratio` times as wide that carries `halo_weight` of the intensity."""
        if halo_weight == 0:
            return cls((sigma,))
        return cls((sigma, halo_ratio * sigma), (1 - halo_weight, halo_weight))

    def blurred(self, sigma: float) -> "PointSpread":
        """The profile convolved with a Gaussian of `sigma` [Å]."""
        return PointSpread(tuple(sqrt(s**2 + sigma**2) for s in self.sigmas), self.weights)

    @property
    def radius(self) -> float:
        """Radius [Å] outside which every Gaussian is below 1 % of its peak."""
        return 3.1 * max(self.sigmas)
