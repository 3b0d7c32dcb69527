"""What every projector pair has: an exact adjoint, and gradients through both."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pann.core.geometry import as_euler_angles
from pann.core.psf import PointSpread
from pann.tomography.blur import blur


class Projector(ABC):
    """A linear map A from volumes (nx, ny, nz) to image stacks (n_tilts, nu, nv), with its adjoint Aᵀ.

    The value of a pixel is the sum of the voxels along its ray, blurred by `psf` (`pann.core.volume.Volume`).
    """

    def __init__(
        self,
        angles: ArrayLike,
        volume_shape: tuple[int, int, int],
        image_shape: tuple[int, int],
        pixel_size: float,
        psf: PointSpread | None,
    ) -> None:
        self.angles = as_euler_angles(angles)
        self.volume_shape = volume_shape
        self.image_shape = image_shape
        self.pixel_size = pixel_size
        self.psf = psf

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        return len(self.angles)

    @abstractmethod
    def _project(self, volume: Tensor) -> Tensor: ...

    @abstractmethod
    def _backproject(self, images: Tensor) -> Tensor: ...

    @abstractmethod
    def subset(self, tilts: Sequence[int]) -> "Projector":
        """The projector of some of the tilts."""

    def forward(self, volume: Tensor) -> Tensor:
        """Images (n_tilts, nu, nv) of `volume` (nx, ny, nz); differentiable in the volume."""
        return _Linear.apply(volume, self, False)

    def adjoint(self, images: Tensor) -> Tensor:
        """Back-projection (nx, ny, nz) of `images` (n_tilts, nu, nv); differentiable in the images."""
        return _Linear.apply(images, self, True)


class _Linear(torch.autograd.Function):
    """A or Aᵀ; the gradient of one is the other."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, projector: Projector, transpose: bool) -> Tensor:
        ctx.projector, ctx.transpose = projector, transpose
        with torch.no_grad():
            if transpose:
                return projector._backproject(blur(source, projector.psf, projector.pixel_size))
            return blur(projector._project(source), projector.psf, projector.pixel_size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Linear.apply(gradient, ctx.projector, not ctx.transpose), None, None
