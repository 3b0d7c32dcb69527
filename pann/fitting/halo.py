"""The PSF beyond its core, as blurs of the image of all cores.

Since N(ρσ) = N(σ) ⊛ N(σ √(ρ² − 1)), the wider Gaussians of the PSF are the image of the cores blurred once more, at a
cost that does not depend on the number of atoms. The blur is a product with two small Toeplitz matrices, symmetric,
hence its own transpose. A core that is wider than σ, by thermal motion, gets a halo that is wider by as much.
"""

from math import sqrt

import torch
from torch import Tensor

from pann.fitting.render import gaussian_profile

Matrices = tuple[Tensor, Tensor]


class Halo:
    """The Gaussians of a PSF after its narrowest.

    Parameters
    ----------
    field : (nx, ny) of the images.
    sigma : width of the core [pixels].
    ratios, weights : width of every Gaussian in units of the core's, and its share; the core comes first.
    like : tensor whose dtype and device are taken.
    """

    def __init__(
        self,
        field: tuple[int, int],
        sigma: float,
        ratios: tuple[float, ...],
        weights: tuple[float, ...],
        like: Tensor,
    ) -> None:
        self.sigma = sigma
        self.ratios = ratios
        self.weights = weights
        self._matrices = [_blur(field, sigma * sqrt(ratio**2 - 1), like) for ratio in ratios[1:]]

    def spread(self, images: Tensor) -> Tensor:
        """Σₖ wₖ (`images` ⊛ blurₖ) of images (n_tilts, nx, ny), its own transpose."""
        total = images * self.weights[0]
        for weight, ((along_x, along_y), _) in zip(self.weights[1:], self._matrices, strict=True):
            total = total + weight * (along_x @ images @ along_y)
        return total

    def _slopes(self, core: Tensor) -> list[Tensor]:
        """Derivative of each blur of `core` by its width [1/pixel]."""
        return [
            slope_x @ core @ along_y + along_x @ core @ slope_y
            for (along_x, along_y), (slope_x, slope_y) in self._matrices
        ]

    def by_width(self, core: Tensor) -> Tensor | None:
        """Derivative of `spread` by log σ, `core` held; None where there is no halo."""
        factors = [
            weight * sqrt(ratio**2 - 1) * self.sigma
            for weight, ratio in zip(self.weights[1:], self.ratios[1:], strict=True)
        ]
        terms = [factor * slope for factor, slope in zip(factors, self._slopes(core), strict=True)]
        return sum(terms[1:], terms[0]) if terms else None

    def by_weight(self, core: Tensor) -> Tensor:
        """Derivative of `spread` by the weight of the halo of a PSF of two Gaussians."""
        (along_x, along_y), _ = self._matrices[0]
        return along_x @ core @ along_y - core

    def by_ratio(self, core: Tensor) -> Tensor:
        """Derivative of `spread` by the logarithm of its ratio."""
        ratio = self.ratios[1]
        return self.weights[1] * self.sigma * ratio**2 / sqrt(ratio**2 - 1) * self._slopes(core)[0]


def _blur(field: tuple[int, int], width: float, like: Tensor) -> tuple[Matrices, Matrices]:
    """Blur by `width` [pixels] along both axes, and its derivative by the width."""
    blur, slope = [], []
    for n in field:
        index = torch.arange(n, dtype=torch.float64, device=like.device)
        square = ((index[:, None] - index) / width) ** 2
        kernel = gaussian_profile(index[:, None] - index, torch.tensor(width**2, dtype=torch.float64))
        blur.append(kernel.to(like.dtype))
        slope.append((kernel * (square - 1) / width).to(like.dtype))
    return (blur[0], blur[1]), (slope[0], slope[1])
