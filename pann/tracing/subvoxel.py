"""Peak positions finer than the voxel grid, from a least-squares fit to the neighbourhood of each local maximum."""

from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import ConfigError

Refinement = Literal["gaussian", "quadratic", "polynomial"]
"""gaussian: a parabola through the logarithm, 3x3x3. quadratic: a parabola, 3x3x3. polynomial: 4th order, 5x5x5."""

_CHUNK = 20_000
_LOWEST = 1e-3
"""Values below this share of the peak carry no weight in the logarithmic fit; keeps the logarithm finite."""
_NEWTON_STEPS = 6


def refine_peaks(
    values: NDArray[np.float32], voxels: NDArray[np.int64], method: Refinement = "gaussian"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sub-voxel positions and heights of the local maxima at `voxels`.

    Parameters
    ----------
    values : (nx, ny, nz).
    voxels : (n, 3) indices of local maxima.
    method : see `Refinement`. "gaussian" is exact for an isolated Gaussian atom and weights each voxel by its squared
        value, as the variance of a logarithm asks (Guo, IEEE Signal Process. Mag. 28 (2011) 134); "polynomial" is the
        choice of the field's tracing scripts (Yang et al., Nature 542 (2017) 75).

    Returns
    -------
    index : (n, 3) fractional indices, at most half a voxel from `voxels` along each axis.
    height : (n,) fitted value at the maximum, no lower than the voxel's own value.
    """
    if method not in get_args(Refinement):
        raise ConfigError(f"tracing: refine is {method!r}: expected one of {', '.join(get_args(Refinement))}")
    reach = 2 if method == "polynomial" else 1
    offsets = np.array(list(product(range(-reach, reach + 1), repeat=3)), np.float64)
    steps = offsets.astype(np.int64)
    padded = np.pad(values, reach, mode="edge")
    index = voxels.astype(np.float64)
    height = np.zeros(len(voxels))
    for start in range(0, len(voxels), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        around = (voxels[chunk, None, :] + steps + reach).transpose(2, 0, 1)
        patches = padded[tuple(around)].astype(np.float64)
        if method == "polynomial":
            shift, top = _fit_polynomial(patches, offsets)
        else:
            shift, top = _fit_parabola(patches, offsets, logarithmic=method == "gaussian")
        index[chunk] += shift
        height[chunk] = np.maximum(top, patches[:, len(offsets) // 2])
    return index, height


def _parabola_terms(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ten terms 1, x, y, z, x²/2, y²/2, z²/2, xy, xz, yz at points `x` (..., 3)."""
    u, v, w = np.moveaxis(np.asarray(x, np.float64), -1, 0)
    return np.stack([np.ones_like(u), u, v, w, u * u / 2, v * v / 2, w * w / 2, u * v, u * w, v * w], axis=-1)


def _fit_parabola(
    patches: NDArray[np.float64], offsets: NDArray[np.float64], logarithmic: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximum (n, 3) and its value (n,) of the parabola fitted to `patches` (n, 27), or to their logarithm."""
    terms = _parabola_terms(offsets)
    centre = patches[:, len(offsets) // 2]
    if not logarithmic:
        coefficients = patches @ np.linalg.pinv(terms).T
    else:
        scale = np.where(centre > 0, centre, 1.0)
        relative = np.maximum(patches / scale[:, None], _LOWEST)
        weights = relative**2
        products = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
        normal = (weights @ products).reshape(-1, 10, 10)
        right = (weights * np.log(relative)) @ terms
        coefficients = np.linalg.solve(normal, right[..., None])[..., 0]
    shift = _vertex(coefficients)
    top = np.einsum("nk,nk->n", _parabola_terms(shift), coefficients)
    return shift, scale * np.exp(top) if logarithmic else top


def _vertex(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maximum of a parabola, clamped to the voxel; axis by axis where the parabola has no maximum."""
    gradient = coefficients[:, 1:4]
    xx, yy, zz, xy, xz, yz = coefficients[:, 4:].T
    hessian = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(-1, 3, 3)
    largest = np.linalg.eigvalsh(hessian)[:, -1]
    diagonal = np.stack([xx, yy, zz], axis=-1)
    curved = diagonal < 0
    shift = np.where(curved, -gradient / np.where(curved, diagonal, -1.0), 0.0)
    concave = largest < -1e-9 * np.abs(diagonal).max(axis=-1, initial=1e-300)
    shift[concave] = -np.linalg.solve(hessian[concave], gradient[concave][..., None])[..., 0]
    return np.clip(shift, -0.5, 0.5)


def _fit_polynomial(
    patches: NDArray[np.float64], offsets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximum inside the voxel (n, 3) and its value (n,) of the 4th-order polynomial fitted to `patches` (n, 125).

    Newton's method from the vertex of the parabola through the inner 27 voxels; a step that does not go up is not
    taken.
    """
    powers = np.array([p for p in product(range(5), repeat=3) if sum(p) <= 4])
    coefficients = patches @ np.linalg.pinv(_monomials(offsets, powers)).T
    inner = np.abs(offsets).max(axis=1) <= 1
    shift = _fit_parabola(patches[:, inner], offsets[inner], logarithmic=False)[0]
    top = np.einsum("nk,nk->n", _monomials(shift, powers), coefficients)
    for _ in range(_NEWTON_STEPS):
        trial = np.clip(shift + _vertex(_taylor(shift, powers, coefficients)), -0.5, 0.5)
        value = np.einsum("nk,nk->n", _monomials(trial, powers), coefficients)
        better = value > top
        shift[better], top[better] = trial[better], value[better]
    return shift, top


def _monomials(
    x: NDArray[np.float64], powers: NDArray[np.int64], derivative: tuple[int, ...] = (0, 0, 0)
) -> NDArray[np.float64]:
    """Derivative of each monomial x^p y^q z^r at points `x` (n, 3): (n, n_terms)."""
    result = np.ones((len(x), len(powers)))
    for axis, order in enumerate(derivative):
        exponent = powers[:, axis]
        factor = np.prod([exponent - k for k in range(order)], axis=0) if order else np.ones(len(powers))
        result *= factor * x[:, axis, None] ** np.maximum(exponent - order, 0)
    return result


def _taylor(
    x: NDArray[np.float64], powers: NDArray[np.int64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Second-order expansion of the polynomials about `x`, in the order of `_parabola_terms`: (n, 10)."""
    orders = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1)]
    orders.append((0, 1, 1))
    columns = [np.einsum("nk,nk->n", _monomials(x, powers, order), coefficients) for order in orders]
    return np.stack(columns, axis=-1)
