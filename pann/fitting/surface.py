"""Smooth background of an image, such as the contrast of a support film: a polynomial of low order.

    b_t(x, y) = b_t + Σ_{0 < i + j ≤ order} c_tij P_i(x) P_j(y)

with Legendre polynomials P over the field, x and y from −1 to 1: these are orthogonal, so that the coefficients hardly
correlate with one another or with the constant. An order of 2 bends, 3 is the most that atoms do not feel.
"""

from math import isqrt

import torch
from numpy.polynomial.legendre import legvander
from torch import Tensor


def n_terms(order: int) -> int:
    """Number of coefficients of one image, the constant not counted."""
    return (order + 1) * (order + 2) // 2 - 1


def order_of(terms: int) -> int:
    """Order of the surface of so many coefficients: the inverse of `n_terms`."""
    return (isqrt(8 * terms + 9) - 3) // 2


def surface_terms(shape: tuple[int, int], order: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (n_terms, nx, ny) of all products but the constant."""
    along_x, along_y = (torch.tensor(legvander(torch.linspace(-1, 1, n).numpy(), order)) for n in shape)
    terms = [
        along_x[:, i, None] * along_y[None, :, total - i] for total in range(1, order + 1) for i in range(total, -1, -1)
    ]
    return torch.stack(terms).to(dtype) if terms else torch.zeros(0, *shape, dtype=dtype)
