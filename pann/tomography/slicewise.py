"""The fast path: slices across the tilt axis decouple, so one sparse matrix serves all of them."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from torch import Tensor

from pann.core.geometry import as_euler_angles, rotation_matrices
from pann.core.psf import PointSpread
from pann.tomography.footprint import strip_matrix
from pann.tomography.linear_map import Projector


class SlicewiseProjector(Projector):
    """Every slice across the tilt axis by one sparse matrix, with exact strip integrals (`pann.tomography.footprint`).

    Exact for a single tilt axis. Small phi and psi enter to first order: a voxel column is shifted along y (spread over
    whole pixels by linear interpolation), and an image line across y is shifted along u; `misplacement` bounds what
    that leaves out. Needs voxel_size = pixel_size.
    """

    def __init__(
        self,
        angles: ArrayLike,
        volume_shape: tuple[int, int, int],
        image_shape: tuple[int, int],
        pixel_size: float,
        psf: PointSpread | None = None,
    ) -> None:
        super().__init__(angles, volume_shape, image_shape, pixel_size, psf)
        nx, _, nz = volume_shape
        rotations = rotation_matrices(self.angles)
        reach = np.ceil(_shear_reach(rotations, volume_shape))
        self._shears = np.arange(-reach, reach + 1).astype(int)
        self._matrix, self._transpose = _torch_pair(
            sparse.vstack([strip_matrix(r, (nx, nz), image_shape[0], self._shears) for r in rotations], format="csr")
        )
        v = np.arange(image_shape[1]) - image_shape[1] // 2
        self._line_shift = torch.as_tensor(rotations[:, 0, 1, None] * v, dtype=torch.float32)

    @staticmethod
    def misplacement(angles: ArrayLike, volume_shape: tuple[int, int, int]) -> float:
        """Largest error [pixels] of a voxel's place on the detector that the first-order treatment makes."""
        rotations = rotation_matrices(as_euler_angles(angles))
        stretch = np.abs(1 - rotations[:, 1, 1]).max() * volume_shape[1] / 2
        crossed = np.abs(rotations[:, 0, 1]).max() * _shear_reach(rotations, volume_shape)
        return float(stretch + crossed)

    def subset(self, tilts: Sequence[int]) -> "SlicewiseProjector":
        """The projector of some of the tilts."""
        return SlicewiseProjector(
            self.angles[list(tilts)], self.volume_shape, self.image_shape, self.pixel_size, self.psf
        )

    def _project(self, volume: Tensor) -> Tensor:
        nx, ny, nz = self.volume_shape
        columns = volume.to(torch.float32).permute(0, 2, 1).reshape(nx * nz, ny)
        sheared = self._on(volume.device)[0] @ columns
        sheared = sheared.reshape(self.n_tilts, len(self._shears), self.image_shape[0], ny)
        images = volume.new_zeros((self.n_tilts, *self.image_shape), dtype=torch.float32)
        for k, shear in enumerate(self._shears):
            source, target = self._row_overlap(int(shear))
            images[:, :, target] += sheared[:, k, :, source]
        return self._shift_lines(images, transpose=False)

    def _backproject(self, images: Tensor) -> Tensor:
        nx, ny, nz = self.volume_shape
        straight = self._shift_lines(images.to(torch.float32), transpose=True)
        sheared = straight.new_zeros((self.n_tilts, len(self._shears), self.image_shape[0], ny))
        for k, shear in enumerate(self._shears):
            target, source = self._row_overlap(int(shear))
            sheared[:, k, :, target] = straight[:, :, source]
        columns = self._on(images.device)[1] @ sheared.reshape(-1, ny)
        return columns.reshape(nx, nz, ny).permute(0, 2, 1).contiguous()

    def _row_overlap(self, shear: int) -> tuple[slice, slice]:
        """Slices of the volume's y axis and of the detector's v axis that meet after a shift by `shear`."""
        ny, nv = self.volume_shape[1], self.image_shape[1]
        offset = nv // 2 - ny // 2 + shear
        start = max(0, -offset)
        stop = max(start, min(ny, nv - offset))
        return slice(start, stop), slice(start + offset, stop + offset)

    def _shift_lines(self, images: Tensor, transpose: bool) -> Tensor:
        """Every line of constant v moved along u by its fraction of phi, by linear interpolation; or the adjoint."""
        if not self._line_shift.any():
            return images
        shift = self._line_shift.to(images.device)[:, None, :]
        whole = torch.floor(shift)
        fraction = shift - whole
        nu = images.shape[1]
        margin = int(self._line_shift.abs().max().ceil()) + 1
        padded = torch.nn.functional.pad(images, (0, 0, margin, margin))
        sign = 1 if transpose else -1
        near = torch.arange(nu, device=images.device)[None, :, None] + margin + sign * whole.long()
        far = near + sign
        return (1 - fraction) * padded.gather(1, near) + fraction * padded.gather(1, far)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self._matrix.device != device:
            self._matrix, self._transpose = self._matrix.to(device), self._transpose.to(device)
        return self._matrix, self._transpose


def _shear_reach(rotations: NDArray[np.float64], volume_shape: tuple[int, int, int]) -> float:
    """Largest shift [pixels] along y of a voxel column of the plane (x, z)."""
    nx, _, nz = volume_shape
    shift = np.abs(rotations[:, 1, 0]) * (nx // 2) + np.abs(rotations[:, 1, 2]) * (nz // 2)
    return float(shift.max()) if shift.max() > 1e-6 else 0.0


def _torch_pair(matrix: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
    """Torch CSR tensors of `matrix` and of its transpose."""

    def convert(m: sparse.csr_matrix) -> Tensor:
        return torch.sparse_csr_tensor(
            torch.from_numpy(m.indptr), torch.from_numpy(m.indices), torch.from_numpy(m.data), m.shape
        )

    with warnings.catch_warnings():
        # torch calls its CSR tensors beta and says so once per process; the products used here are tested
        warnings.filterwarnings("ignore", message=".*[Ss]parse.*", category=UserWarning)
        return convert(matrix), convert(matrix.T.tocsr())
