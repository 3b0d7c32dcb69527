"""A fitted series: what the tests for single atoms compare with."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import AtomicModel, PointSpread, TiltSeries
from pann.fitting.image_model import Expansion
from pann.fitting.likelihood import GaussianNoise, PoissonNoise
from pann.fitting.prediction import expand
from pann.fitting.result import FitResult
from pann.fitting.setup import LEAST_EXPECTED


@dataclass(frozen=True, eq=False)
class Scene:
    """Images, what the fit expects of them, and how atoms look in them.

    Attributes
    ----------
    series : images, and the angles of the fit.
    images, expected : (n_tilts, nx, ny) measured and predicted.
    psf : of the fit.
    scales, shifts : of the fit, (n_tilts,) and (n_tilts, 2) [Å].
    noise : of the images.
    """

    series: TiltSeries
    images: Tensor
    expected: Tensor
    psf: PointSpread
    scales: NDArray[np.float64]
    shifts: NDArray[np.float64]
    noise: PoissonNoise | GaussianNoise

    @classmethod
    def of(cls, series: TiltSeries, result: FitResult, device: str = "cpu") -> Self:
        """The scene that `result`, a fit to `series`, leaves."""
        floor = LEAST_EXPECTED * float(series.images.mean(dtype=np.float64))
        return cls(
            series=series.replace(angles=result.angles),
            images=torch.tensor(series.images, device=device),
            expected=torch.tensor(result.predicted, device=device),
            psf=result.psf,
            scales=result.scales,
            shifts=result.shifts,
            noise=PoissonNoise(floor) if result.noise_sigma is None else GaussianNoise(result.noise_sigma),
        )

    @property
    def inverse_variance(self) -> Tensor:
        """Of every pixel."""
        return self.noise.inverse_variance(self.expected)

    @property
    def score(self) -> Tensor:
        """Derivative of the log-likelihood by each expected value."""
        return -self.noise.residual(self.images, self.expected)

    def expand(self, model: AtomicModel) -> Expansion:
        """Images of the atoms of `model` alone, with their derivatives."""
        return expand(
            model,
            self.psf,
            self.series.angles,
            self.series.image_shape,
            self.series.pixel_size,
            scales=self.scales,
            shifts=self.shifts,
            device=str(self.expected.device),
        )
