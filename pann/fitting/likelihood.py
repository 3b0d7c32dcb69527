"""How well images agree with what a model expects: likelihoods, deviance, R-factors."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """Noise of the images; `residual` and `inverse_variance` are what a Gauss-Newton step needs."""

    def deviance(self, images: Tensor, expected: Tensor) -> float:
        """Twice the log-likelihood ratio of the perfect model to `expected`."""

    def residual(self, images: Tensor, expected: Tensor) -> Tensor:
        """Derivative of half the deviance by each expected value."""

    def inverse_variance(self, expected: Tensor) -> Tensor:
        """Fisher information of one pixel about its expected value."""


@dataclass(frozen=True)
class PoissonNoise:
    """Counted electrons.

    Attributes
    ----------
    floor : smallest expected count that is believed; the likelihood is kept finite where a model expects less.
    """

    floor: float

    def deviance(self, images: Tensor, expected: Tensor) -> float:
        """2 Σ [μ − c + c log(c / μ)] (McCullagh and Nelder, Generalized Linear Models, 2.3)."""
        total = 0.0
        for counts, mu in zip(images, expected, strict=True):
            c, m = counts.double(), mu.double().clamp(min=self.floor)
            total += 2 * float((m - c + torch.xlogy(c, c / m)).sum())
        return total

    def residual(self, images: Tensor, expected: Tensor) -> Tensor:
        """1 − c / μ."""
        return 1 - images / expected.clamp(min=self.floor)

    def inverse_variance(self, expected: Tensor) -> Tensor:
        """1 / μ."""
        return 1 / expected.clamp(min=self.floor)


@dataclass(frozen=True)
class GaussianNoise:
    """Processed images in any unit.

    Attributes
    ----------
    sigma : standard deviation of one pixel [image units].
    """

    sigma: float

    def deviance(self, images: Tensor, expected: Tensor) -> float:
        """Σ (I − μ)² / σ²."""
        return sum(float(((i.double() - m.double()) ** 2).sum()) for i, m in zip(images, expected, strict=True)) / (
            self.sigma**2
        )

    def residual(self, images: Tensor, expected: Tensor) -> Tensor:
        """(μ − I) / σ²."""
        return (expected - images) / self.sigma**2

    def inverse_variance(self, expected: Tensor) -> Tensor:
        """1 / σ²."""
        return torch.full_like(expected, 1 / self.sigma**2)

    @classmethod
    def estimate(cls, images: Tensor, expected: Tensor, n_parameters: int) -> "GaussianNoise":
        """Noise whose variance is that of the residuals, with the degrees of freedom of the fit taken off."""
        squares = cls(1.0).deviance(images, expected)
        return cls((squares / max(images.numel() - n_parameters, 1)) ** 0.5 or 1e-12)
