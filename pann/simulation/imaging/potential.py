"""Transmission functions of thin slices of a particle, the object that the electrons see.

The projected potential is summed exactly in Fourier space, V(k) = f(k) Σ exp(-2πi k·r), with f by Lobato and Van Dyck
(Acta Crystallographica A 70, 636, 2014). The phase object exp(i σ V) of a heavy atom has a cusp that the grid of the
waves does not resolve: it is computed on a finer grid and cropped in Fourier space. At 0.066 Å (300 keV, 40 to 95 mrad)
Pt then scatters 0.3 % more than in the limit of fine grids, and 5 % more without.
"""

from functools import lru_cache
from math import ceil, pi
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import Tensor

REFINEMENT = 2
"""The phase is computed on a grid this many times finer than that of the waves."""


def transmission_slices(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    box: tuple[float, float, float],
    gpts: tuple[int, int],
    slice_thickness: float,
    energy: float,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Transmission functions of the slices of a box, from the entrance surface on.

    Parameters
    ----------
    numbers, positions : (n_atoms,) and (n_atoms, 3) [Å], inside the periodic box.
    box : edges [Å].
    gpts : points of the waves along x and y.
    slice_thickness : [Å], at most; the slices are equally thick.
    energy : of the electrons [eV].

    Returns
    -------
    (n_slices, nx, ny) complex64, limited to 2/3 of the Nyquist frequency.
    """
    from abtem.antialias import antialias_aperture
    from abtem.core.energy import energy2sigma

    n_slices = number_of_slices(box[2], slice_thickness)
    fine = (REFINEMENT * gpts[0], REFINEMENT * gpts[1])
    sampling = (box[0] / gpts[0], box[1] / gpts[1])
    band = torch.as_tensor(antialias_aperture(gpts, sampling, np), dtype=torch.float32, device=device)
    low = [_low(n, m, device) for n, m in zip(gpts, fine, strict=True)]
    waves = [_frequencies(m, edge, half) for m, edge, half in zip(fine, box[:2], (False, True), strict=True)]
    layer = layer_of(positions, box[2], n_slices)
    area = fine[0] * fine[1] / (box[0] * box[1])
    slices = torch.ones((n_slices, *gpts), dtype=torch.complex64, device=device)
    for index in np.unique(layer):
        potential = torch.zeros((fine[0], fine[1] // 2 + 1), dtype=torch.complex64, device=device)
        for number in np.unique(numbers[layer == index]):
            mine = positions[(layer == index) & (numbers == number), :2]
            along_x, along_y = (
                torch.as_tensor(np.exp(-2j * pi * np.outer(k, mine[:, i])), dtype=torch.complex64, device=device)
                for i, k in enumerate(waves)
            )
            factor = torch.as_tensor(_scattering_factor(int(number), fine, box[:2]), device=device)
            potential += factor * (along_x @ along_y.T)
        phase = energy2sigma(energy) * area * torch.fft.irfft2(potential, s=fine)
        transform = torch.fft.fft2(torch.polar(torch.ones_like(phase), phase))
        cropped = transform[low[0]][:, low[1]] / REFINEMENT**2
        slices[int(index)] = torch.fft.ifft2(cropped * band)
    return slices


def number_of_slices(height: float, slice_thickness: float) -> int:
    """Of equal thickness, at most `slice_thickness` [Å], that fill `height` [Å]."""
    return max(1, ceil(height / slice_thickness - 1e-9))


def layer_of(positions: NDArray[np.float64], height: float, n_slices: int) -> NDArray[np.int64]:
    """Slice (n_atoms,) of each of the `positions` (n_atoms, 3) [Å] in a box of this `height` [Å]."""
    return np.minimum((positions[:, 2] / height * n_slices).astype(np.int64), n_slices - 1)


def _low(n: int, fine: int, device: torch.device | str) -> Tensor:
    """Indices of the `n` lowest of `fine` frequencies, in the order of a transform."""
    return torch.cat([torch.arange(n - n // 2), torch.arange(fine - n // 2, fine)]).to(device)


def _frequencies(n: int, edge: float, half: bool) -> NDArray[np.float64]:
    return np.asarray(np.fft.rfftfreq(n, edge / n) if half else np.fft.fftfreq(n, edge / n), dtype=np.float64)


@lru_cache(maxsize=8)
def _scattering_factor(number: int, gpts: tuple[int, int], edges: tuple[float, float]) -> NDArray[np.float32]:
    """Projected scattering factor [V Å³] of one element on the half plane of frequencies, (nx, ny // 2 + 1)."""
    from abtem.parametrizations import LobatoParametrization

    kx, ky = _frequencies(gpts[0], edges[0], False), _frequencies(gpts[1], edges[1], True)
    squared = kx[:, None] ** 2 + ky[None, :] ** 2
    factor: Any = LobatoParametrization().projected_scattering_factor(chemical_symbols[number])
    return np.asarray(factor(squared.ravel()), dtype=np.float32).reshape(squared.shape)
