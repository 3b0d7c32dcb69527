"""Reconstruction from processed images: non-negative least squares, and the classical methods of the field."""

from collections.abc import Callable

import torch
from torch import Tensor

from pann.core.progress import progress_bar
from pann.tomography.linear_map import Projector


def sirt(
    images: Tensor,
    projector: Projector,
    *,
    iterations: int = 100,
    support: Tensor | None = None,
    progress: bool = True,
) -> Tensor:
    """Simultaneous iterative reconstruction with positivity: x ← max(0, x + C Aᵀ R (b − A x)).

    R and C are the inverse row and column sums of A: Gilbert, J. Theor. Biol. 36, 105 (1972); Gregor and Benson,
    IEEE Trans. Med. Imaging 27, 918 (2008).

    Parameters
    ----------
    images : (n_tilts, nu, nv).
    support : (nx, ny, nz) bool, where the object may be.

    Returns
    -------
    (nx, ny, nz) non-negative density.
    """
    rows = _inverse(projector.forward(torch.ones(projector.volume_shape, device=images.device)))
    columns = _inverse(projector.adjoint(torch.ones_like(images)))

    def step(volume: Tensor) -> tuple[Tensor, Tensor]:
        residual = images - projector.forward(volume)
        return volume + columns * projector.adjoint(rows * residual), residual

    return _iterate("SIRT", step, images, projector, iterations, support, progress, accelerate=False)


def resire(
    images: Tensor,
    projector: Projector,
    *,
    iterations: int = 100,
    accelerate: bool = True,
    support: Tensor | None = None,
    progress: bool = True,
) -> Tensor:
    """Least squares by projected gradient descent: x ← max(0, x − t Aᵀ(A x − b)), t = 1 / ‖A‖².

    RESIRE: Pham, Yuan, Rana, Osher and Miao, Sci. Rep. 13, 5624 (2023), here in real space with the projector's PSF.
    `accelerate` adds Nesterov's momentum with restarts (Beck and Teboulle, SIAM J. Imaging Sci. 2, 183 (2009)).

    Parameters
    ----------
    images : (n_tilts, nu, nv).
    support : (nx, ny, nz) bool, where the object may be.

    Returns
    -------
    (nx, ny, nz) non-negative density.
    """
    length = 1 / _squared_norm(projector, images.device)

    def step(volume: Tensor) -> tuple[Tensor, Tensor]:
        residual = images - projector.forward(volume)
        return volume + length * projector.adjoint(residual), residual

    return _iterate("RESIRE", step, images, projector, iterations, support, progress, accelerate)


def weighted_back_projection(images: Tensor, projector: Projector) -> Tensor:
    """Filtered back-projection: |frequency| weighting across the tilt axis, then Aᵀ.

    Radermacher in Electron Tomography, ed. Frank (2006), ch. 8. Negative values are kept: the method has no positivity.

    Returns
    -------
    (nx, ny, nz) density.
    """
    nu = images.shape[1]
    padded = 2 * nu
    ramp = torch.fft.rfftfreq(padded, device=images.device).abs()[None, :, None]
    spectrum = torch.fft.rfft(images, n=padded, dim=1) * ramp
    filtered = torch.fft.irfft(spectrum, n=padded, dim=1)[:, :nu]
    return projector.adjoint(filtered.contiguous()) * (torch.pi / projector.n_tilts)


def _iterate(
    name: str,
    step: Callable[[Tensor], tuple[Tensor, Tensor]],
    images: Tensor,
    projector: Projector,
    iterations: int,
    support: Tensor | None,
    progress: bool,
    accelerate: bool,
) -> Tensor:
    """Projected steps from zero; with `accelerate`, momentum that restarts when the residual grows."""
    volume = images.new_zeros(projector.volume_shape)
    ahead, momentum, last = volume, 1.0, float("inf")
    norm = float(images.square().sum())
    with progress_bar(name, iterations, progress) as bar:
        for _ in range(iterations):
            moved, residual = step(ahead)
            moved = moved.clamp(min=0)
            if support is not None:
                moved = moved * support
            error = float(residual.square().sum()) / norm
            if accelerate and error <= last:
                following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
                ahead = moved + (momentum - 1) / following * (moved - volume)
                momentum = following
            else:
                ahead, momentum = moved, 1.0
            volume, last = moved, error
            bar.advance(status=f"relative residual {error**0.5:.4f}")
    return volume


def _inverse(values: Tensor) -> Tensor:
    """1 / values, floored where the geometry hardly sees anything."""
    return 1 / values.clamp(min=1e-3 * float(values.max()))


def _squared_norm(projector: Projector, device: torch.device, iterations: int = 8) -> float:
    """‖A‖² by power iteration from a uniform volume, which overlaps the non-negative leading eigenvector."""
    volume = torch.ones(projector.volume_shape, device=device)
    norm = 1.0
    for _ in range(iterations):
        volume = volume / volume.norm()
        volume = projector.adjoint(projector.forward(volume))
        norm = float(volume.norm())
    return 1.01 * norm
