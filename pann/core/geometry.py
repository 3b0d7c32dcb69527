"""The one place where the geometry is written.

Conventions
-----------
- Lengths in Å, angles in degrees. Array index order is coordinate order: a volume is ``[x, y, z]``, a tilt series
  ``[tilt, x, y]``. The beam runs along z; **y is the tilt axis**.
- The centre of an axis of n pixels is the index ``n // 2``.
- Euler angles (phi, theta, psi): ``r' = R r`` with ``R = (Rz(phi) Ry(theta) Rx(psi))ᵀ``, right-handed matrices; the
  detector position of a point is ``(r'[0], r'[1])``, the beam runs along ``r'[2]``. One angle means theta.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.errors import InputError


def as_euler_angles(angles: ArrayLike) -> NDArray[np.float64]:
    """Tilt angles as an (n_tilts, 3) array of (phi, theta, psi) [deg].

    Accepts (n_tilts,), (n_tilts, 1), (1, n_tilts): theta alone; (n_tilts, 3): all three.
    """
    array = np.asarray(angles, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 3:
        return array.copy()
    if array.ndim == 1 or (array.ndim == 2 and 1 in array.shape):
        theta = array.ravel()
        return np.stack([np.zeros_like(theta), theta, np.zeros_like(theta)], axis=1)
    raise InputError(f"angles have shape {array.shape}: expected (n,), (n, 1) or (n, 3) with columns phi, theta, psi")


def rotation_matrices(angles: ArrayLike) -> NDArray[np.float64]:
    """Rotations R = (Rz(phi) Ry(theta) Rx(psi))ᵀ, (n_tilts, 3, 3), of Euler `angles` [deg] (see `as_euler_angles`)."""
    phi, theta, psi = np.deg2rad(as_euler_angles(angles)).T
    one, zero = np.ones_like(phi), np.zeros_like(phi)

    def stack(rows: list[list[NDArray[np.float64]]]) -> NDArray[np.float64]:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    rz = stack([[np.cos(phi), -np.sin(phi), zero], [np.sin(phi), np.cos(phi), zero], [zero, zero, one]])
    ry = stack([[np.cos(theta), zero, np.sin(theta)], [zero, one, zero], [-np.sin(theta), zero, np.cos(theta)]])
    rx = stack([[one, zero, zero], [zero, np.cos(psi), -np.sin(psi)], [zero, np.sin(psi), np.cos(psi)]])
    return np.swapaxes(rz @ ry @ rx, -1, -2)


def is_single_axis(angles: ArrayLike) -> bool:
    """Whether every rotation is about the tilt axis alone (phi = psi = 0)."""
    euler = as_euler_angles(angles)
    return bool(np.all(euler[:, [0, 2]] == 0))


def project_positions(positions: ArrayLike, angles: ArrayLike) -> NDArray[np.float64]:
    """Detector positions (n_tilts, n_atoms, 2) [Å] of `positions` (n_atoms, 3) [Å] for Euler `angles` [deg]."""
    return np.einsum("tij,nj->tni", rotation_matrices(angles)[:, :2], np.asarray(positions, dtype=np.float64))


def index_to_position(index: ArrayLike, shape: tuple[int, ...], spacing: float) -> NDArray[np.float64]:
    """Position [Å] of fractional array `index` (..., len(shape)), relative to the centre voxel n // 2."""
    centre = np.array([n // 2 for n in shape], dtype=np.float64)
    return (np.asarray(index, dtype=np.float64) - centre) * spacing


def position_to_index(position: ArrayLike, shape: tuple[int, ...], spacing: float) -> NDArray[np.float64]:
    """Fractional array index of `position` [Å] (..., len(shape)): the inverse of `index_to_position`."""
    centre = np.array([n // 2 for n in shape], dtype=np.float64)
    return np.asarray(position, dtype=np.float64) / spacing + centre


def pixel_coordinates(n: int, spacing: float) -> NDArray[np.float64]:
    """Coordinates [Å] of the n pixels of an axis, zero at index n // 2."""
    return (np.arange(n, dtype=np.float64) - n // 2) * spacing
