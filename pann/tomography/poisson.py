"""Reconstruction from counts: ordered-subset Richardson-Lucy (MLEM) with the PSF and a background in the model.

Shepp and Vardi, IEEE Trans. Med. Imaging 1, 113 (1982); ordered subsets: Hudson and Larkin, ibid. 13, 601 (1994).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core.progress import progress_bar
from pann.tomography.deviance import expected_deviance, poisson_deviance
from pann.tomography.linear_map import Projector

FLOOR = 1e-8
"""Smallest expected count; keeps ratios finite where the model is empty."""


@dataclass(frozen=True)
class PoissonResult:
    """What the iterations left: the volume, the background per image and how they ended.

    Attributes
    ----------
    volume : (nx, ny, nz) expected counts per voxel.
    background : (n_tilts,) expected counts per pixel.
    iterations : passes over all images.
    deviance_ratio : Poisson deviance over its expectation; 1 means that what is left is noise.
    """

    volume: Tensor
    background: NDArray[np.float64]
    iterations: int
    deviance_ratio: float


def interleaved_subsets(n_tilts: int, n_subsets: int) -> list[list[int]]:
    """Tilts split so that each subset spans the whole range, in an order that keeps successive subsets apart."""
    n_subsets = max(1, min(n_subsets, n_tilts))
    order = sorted(range(n_subsets), key=lambda k: int(f"{k:016b}"[::-1], 2))  # bit reversal
    return [list(range(k, n_tilts, n_subsets)) for k in order]


def richardson_lucy(
    counts: Tensor,
    projector: Projector,
    background: NDArray[np.float64],
    *,
    iterations: int = 100,
    n_subsets: int = 6,
    stop_ratio: float | None = None,
    stall: float | None = None,
    min_iterations: int = 1,
    fit_background: bool = False,
    support: Tensor | None = None,
    progress: bool = True,
) -> PoissonResult:
    """Maximum-likelihood volume of Poisson `counts`, non-negative by construction.

    Parameters
    ----------
    counts : (n_tilts, nu, nv) electrons per pixel.
    projector : with the PSF inside.
    background : (n_tilts,) starting value, expected counts per pixel.
    iterations : largest number of passes over the images.
    n_subsets : ordered subsets in one pass; 1 is plain Richardson-Lucy.
    stop_ratio : stop once the deviance has fallen to this multiple of the value that noise alone would leave
        (Morozov's discrepancy principle); None runs every iteration.
    stall : stop as well once a pass lowers the deviance by less than this share: what is left then is an error of the
        model, such as the shape of the PSF, which more passes would turn into false detail; None never.
    min_iterations : passes before `stop_ratio` or `stall` may stop: where counts are few, the deviance hardly tells a
        sharp volume from a blurred one.
    fit_background : update the background as one more non-negative component of the mixture.
    support : (nx, ny, nz) bool, where the object may be.
    progress : show a bar with the statistic.
    """
    subsets = interleaved_subsets(projector.n_tilts, n_subsets)
    parts = [(tilts, projector if len(subsets) == 1 else projector.subset(tilts)) for tilts in subsets]
    sensitivities = [_sensitivity(part, counts.device) for _, part in parts]
    level = torch.as_tensor(np.maximum(background, FLOOR), dtype=torch.float32, device=counts.device)[:, None, None]
    level = level.clone()
    net = (counts - level).sum().clamp(min=1.0)
    volume = torch.full(projector.volume_shape, float(net / sum(s.sum() for s in sensitivities)), device=counts.device)
    if support is not None:
        volume = volume * support
    ratio, last, done = float("inf"), float("inf"), 0
    with progress_bar("Poisson reconstruction", iterations, progress) as bar:
        for done in range(1, iterations + 1):
            for (tilts, part), sensitivity in zip(parts, sensitivities, strict=True):
                expected = part.forward(volume) + level[tilts]
                quotient = counts[tilts] / expected.clamp(min=FLOOR)
                volume = volume * part.adjoint(quotient) / sensitivity
                if fit_background:
                    level[tilts] = level[tilts] * quotient.mean((1, 2), keepdim=True)
            if done == iterations or ((stop_ratio or stall) is not None and done >= min_iterations - 1):
                expected = projector.forward(volume) + level
                last, ratio = ratio, poisson_deviance(counts, expected) / expected_deviance(expected)
            bar.advance(status=f"deviance / expected {ratio:.3f}" if np.isfinite(ratio) else "")
            if done >= min_iterations and _has_settled(ratio, last, stop_ratio, stall):
                break
    return PoissonResult(volume, level[:, 0, 0].cpu().numpy().astype(np.float64), done, float(ratio))


def _has_settled(ratio: float, last: float, stop_ratio: float | None, stall: float | None) -> bool:
    if stop_ratio is not None and ratio <= stop_ratio:
        return True
    return stall is not None and last - ratio < stall * ratio


def _sensitivity(projector: Projector, device: torch.device) -> Tensor:
    """Aᵀ1: how much of each voxel the images see; floored where they hardly see it, to hold such voxels still."""
    ones = torch.ones((projector.n_tilts, *projector.image_shape), device=device)
    seen = projector.adjoint(ones)
    return seen.clamp(min=1e-3 * float(seen.max()))
