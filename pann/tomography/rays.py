"""The general path: rays cast through the volume at any Euler angles."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pann.core.geometry import rotation_matrices
from pann.core.psf import PointSpread
from pann.tomography.linear_map import Projector


class RayProjector(Projector):
    """Any Euler angles and any voxel size: rays sampled by trilinear interpolation, one tilt at a time.

    The adjoint is the transpose of the interpolation, by automatic differentiation.
    """

    def __init__(
        self,
        angles: ArrayLike,
        volume_shape: tuple[int, int, int],
        image_shape: tuple[int, int],
        pixel_size: float,
        psf: PointSpread | None = None,
        voxel_size: float | None = None,
    ) -> None:
        super().__init__(angles, volume_shape, image_shape, pixel_size, psf)
        self.voxel_size = pixel_size if voxel_size is None else voxel_size
        self._rotations = torch.as_tensor(rotation_matrices(self.angles), dtype=torch.float32)
        self._depth = int(np.ceil(np.linalg.norm(volume_shape))) | 1

    def subset(self, tilts: Sequence[int]) -> "RayProjector":
        """The projector of some of the tilts."""
        return RayProjector(
            self.angles[list(tilts)],
            self.volume_shape,
            self.image_shape,
            self.pixel_size,
            self.psf,
            self.voxel_size,
        )

    def _grid(self, tilt: int, device: torch.device) -> Tensor:
        """Points (nu, nv, depth, 3) for grid_sample: last axis (z, y, x), ±1 on the outer voxels."""
        ratio = self.pixel_size / self.voxel_size
        nu, nv = self.image_shape
        u = (torch.arange(nu, device=device) - nu // 2) * ratio
        v = (torch.arange(nv, device=device) - nv // 2) * ratio
        w = torch.arange(self._depth, device=device) - self._depth // 2
        rotation = self._rotations[tilt].to(device)
        points = u[:, None, None, None] * rotation[0] + v[None, :, None, None] * rotation[1] + w[:, None] * rotation[2]
        shape = torch.tensor(self.volume_shape, device=device)
        index = points + shape // 2
        return (2 * index / (shape - 1).clamp(min=1) - 1).flip(-1)

    def _image(self, volume: Tensor, tilt: int) -> Tensor:
        samples = torch.nn.functional.grid_sample(
            volume[None, None], self._grid(tilt, volume.device)[None], align_corners=True, padding_mode="zeros"
        )
        return samples[0, 0].sum(-1) * (self.pixel_size / self.voxel_size) ** 2

    def _project(self, volume: Tensor) -> Tensor:
        return torch.stack([self._image(volume.to(torch.float32), tilt) for tilt in range(self.n_tilts)])

    def _backproject(self, images: Tensor) -> Tensor:
        total = images.new_zeros(self.volume_shape, dtype=torch.float32)
        for tilt in range(self.n_tilts):
            with torch.enable_grad():
                probe = torch.zeros_like(total).requires_grad_()
                image = self._image(probe, tilt)
            total += torch.autograd.grad(image, probe, images[tilt].to(torch.float32))[0]
        return total
