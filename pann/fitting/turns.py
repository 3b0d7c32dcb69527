"""Small rotations of the particle in front of each image: what the refinement of tilt angles changes.

A turn ω [rad] is a rotation vector in the frame of the detector (x, y, beam): the rotation of image t becomes
exp([ω]×) R_t, whatever its Euler angles, so that there is no gimbal lock. Turns ω_t = −R_t a of all images are one
rotation of the particle by a: the images cannot tell the two apart, and a fit keeps Σ R_tᵀ ω_t at zero.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pann.core.geometry import as_euler_angles, rotation_matrices

FULL_TURN = 360.0


def turn_matrices(vectors: Tensor) -> Tensor:
    """Rotation matrices (n, 3, 3) of rotation `vectors` (n, 3) [rad]."""
    x, y, z = vectors.unbind(1)
    zero = torch.zeros_like(x)
    rows = [torch.stack(row, 1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))]
    return torch.linalg.matrix_exp(torch.stack(rows, 1))


def gauge_free(vectors: Tensor, rotations: Tensor) -> Tensor:
    """Rotation `vectors` (n, 3) without the part that is one rotation of the particle."""
    common = torch.einsum("tij,ti->j", rotations, vectors) / len(vectors)
    return vectors - torch.einsum("tij,j->ti", rotations, common)


def euler_angles(matrices: ArrayLike, near: ArrayLike) -> NDArray[np.float64]:
    """Euler angles (phi, theta, psi) [deg] of rotations, the inverse of `pann.core.geometry.rotation_matrices`.

    Parameters
    ----------
    matrices : (n, 3, 3).
    near : (n, 3) [deg]; of the angles that give the same rotation, those closest to these are returned, and these
        themselves where they already do.
    """
    rotations, known = np.asarray(matrices, dtype=np.float64), as_euler_angles(near)
    m = np.swapaxes(rotations, -1, -2)
    first = np.stack(
        [
            np.arctan2(m[:, 1, 0], m[:, 0, 0]),
            np.arctan2(-m[:, 2, 0], np.hypot(m[:, 0, 0], m[:, 1, 0])),
            np.arctan2(m[:, 2, 1], m[:, 2, 2]),
        ],
        axis=1,
    )
    first = np.rad2deg(first)
    second = np.stack([first[:, 0] + 180, 180 - first[:, 1], first[:, 2] + 180], axis=1)
    both = np.stack([first, second])
    both += FULL_TURN * np.round((known - both) / FULL_TURN)
    nearer = np.abs(both - known).max(2).argmin(0)
    angles = both[nearer, np.arange(len(known))]
    same = np.abs(rotation_matrices(known) - rotations).max((1, 2)) < 1e-12
    return np.where(same[:, None], known, angles)


def rigid_motions(positions: Tensor, translations: bool, rotations: bool) -> Tensor:
    """Orthonormal moves (3 n_atoms, k) of all atoms together that free shifts and free turns leave open."""
    n = len(positions)
    axes = torch.eye(3, dtype=positions.dtype, device=positions.device)
    moves = [axis.expand(n, 3).reshape(-1) for axis in axes] if translations else []
    if rotations:
        moves += [torch.linalg.cross(axis.expand(n, 3), positions).reshape(-1) for axis in axes]
    if not moves:
        return positions.new_zeros(3 * n, 0)
    basis, sizes, _ = torch.linalg.svd(torch.stack(moves, 1), full_matrices=False)
    return basis[:, sizes > 1e-9 * sizes.max()]
