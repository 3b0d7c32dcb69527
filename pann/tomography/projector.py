"""Choosing the projector pair for a geometry."""

from numpy.typing import ArrayLike

from pann.core.geometry import as_euler_angles
from pann.core.psf import PointSpread
from pann.tomography.linear_map import Projector
from pann.tomography.rays import RayProjector
from pann.tomography.slicewise import SlicewiseProjector

TOLERANCE = 0.1
"""Misplacement [pixels] up to which the slice-by-slice path is used for angles that leave the tilt axis."""


def make_projector(
    angles: ArrayLike,
    volume_shape: tuple[int, int, int],
    image_shape: tuple[int, int],
    *,
    pixel_size: float,
    voxel_size: float | None = None,
    psf: PointSpread | None = None,
) -> Projector:
    """The fastest projector that is right for these angles.

    Parameters
    ----------
    angles : (n_tilts,) theta or (n_tilts, 3) Euler angles [deg].
    volume_shape : (nx, ny, nz); it may be larger than the field, for objects that reach beyond it.
    image_shape : (nu, nv).
    pixel_size, voxel_size : [Å]; the voxel is as large as the pixel unless given.
    psf : blur of the images, None for none.
    """
    euler = as_euler_angles(angles)
    same_size = voxel_size is None or abs(voxel_size / pixel_size - 1) < 1e-6
    if same_size and SlicewiseProjector.misplacement(euler, volume_shape) < TOLERANCE:
        return SlicewiseProjector(euler, volume_shape, image_shape, pixel_size, psf)
    return RayProjector(euler, volume_shape, image_shape, pixel_size, psf, voxel_size)
