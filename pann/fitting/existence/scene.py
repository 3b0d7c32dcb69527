"""A fitted series: what the tests for single atoms compare with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import AtomicModel, PointSpread, TiltSeries
from pann.fitting.expansion import Expansion
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
    attenuation, element_widths : of the fit, as in `FitResult`.
    saturation, linear : of the fit, and the sum of its atoms before saturation (n_tilts, nx, ny), None where there is
        none. An atom is judged by what it adds to that sum: `score` and `inverse_variance` are those of the sum.
    """

    series: TiltSeries
    images: Tensor
    expected: Tensor
    psf: PointSpread
    scales: NDArray[np.float64]
    shifts: NDArray[np.float64]
    noise: PoissonNoise | GaussianNoise
    attenuation: float = 0.0
    element_widths: Mapping[int, float] | None = None
    saturation: float = 0.0
    linear: Tensor | None = None

    @classmethod
    def of(cls, series: TiltSeries, result: FitResult, device: str = "cpu") -> Self:
        """The scene that `result`, a fit to `series`, leaves."""
        floor = LEAST_EXPECTED * float(series.images.mean(dtype=np.float64))
        scene = cls(
            series=series.replace(angles=result.angles),
            images=torch.tensor(series.images, device=device),
            expected=torch.tensor(result.predicted, device=device),
            psf=result.psf,
            scales=result.scales,
            shifts=result.shifts,
            noise=PoissonNoise(floor) if result.noise_sigma is None else GaussianNoise(result.noise_sigma),
            attenuation=result.attenuation,
            element_widths=result.element_widths,
        )
        if not result.saturation:
            return scene
        return replace(scene, saturation=result.saturation, linear=scene.expand(result.model).linear)

    @property
    def _slope(self) -> Tensor | float:
        """Derivative of each expected value by the sum of the atoms."""
        return 1.0 if self.linear is None else (1 + self.saturation * self.linear) ** -2

    @property
    def inverse_variance(self) -> Tensor:
        """Fisher information of every pixel about the sum of the atoms."""
        return self.noise.inverse_variance(self.expected) * self._slope**2

    @property
    def score(self) -> Tensor:
        """Derivative of the log-likelihood by the sum of the atoms in each pixel."""
        return -self.noise.residual(self.images, self.expected) * self._slope

    def core_widths(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Width of the core of atoms of atomic `numbers` (n_atoms,) [Å]."""
        core = min(self.psf.sigmas)
        return np.array([(self.element_widths or {}).get(int(number), core) for number in numbers])

    def expand(self, model: AtomicModel) -> Expansion:
        """Images of the atoms of `model` alone, before saturation, with their derivatives."""
        return expand(
            model,
            self.psf,
            self.series.angles,
            self.series.image_shape,
            self.series.pixel_size,
            scales=self.scales,
            shifts=self.shifts,
            attenuation=self.attenuation,
            element_widths=self.element_widths,
            device=str(self.expected.device),
        )
