"""3D Zernike moments of the density around each atom, batched over atoms and differentiable in the density.

The functions Z_nlm(r) = R_nl(r) Y_lm(r̂), n − l even, 0 ≤ l ≤ n, are orthonormal on the unit ball (Canterakis, Proc.
SCIA 1999; Novotni and Klein, Computer-Aided Design 36 (2004) 1047). With k = (n − l) / 2 and Jacobi polynomials P,

    R_nl(r) = √(2n + 3) r^l P_k^(0, l + 1/2)(2r² − 1),

which is Novotni and Klein's polynomial in a form that stays accurate at high order. Real spherical harmonics make every
moment of a real density real, and the norms F_nl = √(Σ_m Ω_nlm²) do not change when the density is rotated.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import lebedev_rule
from scipy.special import eval_jacobi, roots_jacobi, sph_harm_y
from torch import Tensor

from pann.core.errors import ConfigError

MAX_ORDER = 16
"""Highest order offered; beyond it the angular quadrature needs more points than an atom has voxels many times over."""
_LEBEDEV_DEGREES = (*range(3, 32, 2), 35, 41, 47, 53, 59, 65, 71, 77)


@dataclass(frozen=True, eq=False)
class ZernikeBasis:
    """Zernike functions up to an order on quadrature points of the unit ball.

    Attributes
    ----------
    order : highest n.
    points : (n_points, 3) quadrature points in the unit ball.
    weights : (n_points,) quadrature weights; they add to the volume of the ball, 4π/3.
    functions : (n_points, n_moments) values of Z_nlm at the points.
    degrees : (n_moments, 3) the (n, l, m) of every column.
    """

    order: int
    points: Tensor
    weights: Tensor
    functions: Tensor
    degrees: NDArray[np.int64]

    @property
    def shells(self) -> list[tuple[int, int]]:
        """The (n, l) of every invariant, in order."""
        return _shells(self.order)

    def project(self, samples: Tensor) -> Tensor:
        """Moments Ω_nlm (..., n_moments) of a density sampled at the points (..., n_points), in its units."""
        return samples @ (self.weights[:, None] * self.functions).to(samples)

    def invariants(self, moments: Tensor) -> Tensor:
        """Rotation invariants F_nl (..., n_shells) of `moments` (..., n_moments)."""
        sizes = [2 * degree + 1 for _, degree in self.shells]
        norms = [torch.linalg.vector_norm(part, dim=-1) for part in torch.split(moments, sizes, dim=-1)]
        return torch.stack(norms, dim=-1)

    def reconstruct(self, moments: Tensor, points: Tensor) -> Tensor:
        """Density (..., n) at `points` (n, 3) of the unit ball from `moments` (..., n_moments)."""
        functions = torch.from_numpy(zernike_functions(points.detach().cpu().numpy(), self.order))
        return moments @ functions.to(moments).T


def zernike_functions(points: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Real orthonormal Z_nlm at `points` (n, 3) of the unit ball, (n, n_moments); columns: `ZernikeBasis.degrees`."""
    radius = np.linalg.norm(points, axis=1)
    polar = np.arccos(np.clip(np.divide(points[:, 2], radius, out=np.ones_like(radius), where=radius > 0), -1, 1))
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    harmonics = [_real_harmonics(degree, polar, azimuth) for degree in range(order + 1)]
    columns = []
    for n, degree in _shells(order):
        jacobi = eval_jacobi((n - degree) // 2, 0, degree + 0.5, 2 * radius**2 - 1)
        columns.append((np.sqrt(2 * n + 3) * radius**degree * jacobi)[:, None] * harmonics[degree])
    return np.concatenate(columns, axis=1)


@lru_cache(maxsize=8)
def zernike_basis(order: int = 8, oversampling: int = 4) -> ZernikeBasis:
    """Basis of `order` on a Gauss-Jacobi (radius) times Lebedev (direction) quadrature, computed once.

    The quadrature is exact for polynomials of degree 2 `order` + `oversampling`, so the basis is orthonormal on it to
    rounding; the surplus damps the aliasing of density that the basis cannot hold.
    Raises ConfigError when the order is outside 0 ... 16 or the oversampling is negative.
    """
    exact = 2 * order + oversampling
    if not 0 <= order <= MAX_ORDER or oversampling < 0 or exact > _LEBEDEV_DEGREES[-1]:
        raise ConfigError(
            f"Zernike order {order}, oversampling {oversampling}: expected an order from 0 to {MAX_ORDER} and an "
            f"oversampling from 0 to {_LEBEDEV_DEGREES[-1]} - 2 order"
        )
    nodes, node_weights = roots_jacobi(exact // 2 + 1, 0, 2)
    radii, radial_weights = (nodes + 1) / 2, node_weights / 8
    directions, angular_weights = lebedev_rule(next(rule for rule in _LEBEDEV_DEGREES if rule >= exact))
    points = (radii[:, None, None] * directions.T[None]).reshape(-1, 3)
    weights = (radial_weights[:, None] * angular_weights[None]).ravel()
    degrees = [(n, degree, m) for n, degree in _shells(order) for m in range(-degree, degree + 1)]
    return ZernikeBasis(
        order,
        torch.from_numpy(points),
        torch.from_numpy(weights),
        torch.from_numpy(zernike_functions(points, order)),
        np.array(degrees, dtype=np.int64),
    )


def zernike_moments(
    density: Tensor, centres: Tensor, radius: float, basis: ZernikeBasis, *, batch_size: int = 512
) -> Tensor:
    """Moments Ω_nlm (n_atoms, n_moments) of `density` in a ball around each centre.

    Parameters
    ----------
    density : (nx, ny, nz) on a cubic grid; zero outside it.
    centres : (n_atoms, 3) fractional voxel indices.
    radius : of the ball [voxels].
    basis : from `zernike_basis`.
    batch_size : atoms handled at once, which bounds the memory.
    """
    offsets = radius * basis.points.to(density)
    matrix = (basis.weights[:, None] * basis.functions).to(density)
    parts = [sample_around(density, part, offsets) @ matrix for part in centres.to(density).split(batch_size)]
    return torch.cat(parts) if parts else density.new_zeros((0, matrix.shape[1]))


def sample(density: Tensor, index: Tensor) -> Tensor:
    """Trilinear values (...) of `density` (nx, ny, nz) at fractional voxel `index` (..., 3); zero outside the grid."""
    return sample_around(density, index.reshape(-1, 3), index.new_zeros(1, 3)).reshape(index.shape[:-1])


def sample_around(density: Tensor, centres: Tensor, offsets: Tensor) -> Tensor:
    """`sample` at `offsets` (k, 3) from each of the `centres` (n, 3) [voxels], (n, k)."""
    # grid_sample counts its axes from the last and maps voxel centres to (2 i + 1) / n - 1; applied to centres and to
    # offsets apart, that costs one sum for each point
    size = torch.tensor(density.shape, dtype=density.dtype, device=density.device)
    grid = ((2 * centres + 1) / size - 1).flip(-1)[:, None] + (2 * offsets / size).flip(-1)
    # threads share the members of the batch, so each atom is one; but each member has a gradient as large as the volume
    batch = grid[None, None] if density.requires_grad else grid[:, None, None]
    values = torch.nn.functional.grid_sample(
        density.expand(len(batch), 1, *density.shape),
        batch,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return values.reshape(len(centres), len(offsets))


def _shells(order: int) -> list[tuple[int, int]]:
    return [(n, degree) for n in range(order + 1) for degree in range(n % 2, n + 1, 2)]


def _real_harmonics(degree: int, polar: NDArray[np.float64], azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Real orthonormal spherical harmonics Y_lm, (n, 2l + 1), m from −l to l."""
    columns = []
    for m in range(-degree, degree + 1):
        value = sph_harm_y(degree, abs(m), polar, azimuth)
        if m == 0:
            columns.append(value.real)
        else:
            columns.append(np.sqrt(2) * (-1) ** m * (value.real if m > 0 else value.imag))
    return np.stack(columns, axis=-1)
