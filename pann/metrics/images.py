"""Agreement of predicted with measured images."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.errors import InputError


def r_factor(images: ArrayLike, predicted: ArrayLike, background: ArrayLike | None = None) -> float:
    """R = Σ|I − P| / Σ|I| over all tilts and pixels.

    Parameters
    ----------
    images : (n_tilts, nx, ny) measured I.
    predicted : (n_tilts, nx, ny) predicted P, in the same unit.
    background : scalar or (n_tilts,). Without it R includes whatever background the images hold, which makes it small
        where there is little but background. With it, I and P are both taken to include it and it is subtracted from
        I in the denominator (in the numerator it cancels): the R-factor of the object alone.
    """
    difference, total = _sums(images, predicted, background)
    return float(difference.sum() / total.sum()) if total.sum() > 0 else float("nan")


def r_factor_per_tilt(
    images: ArrayLike, predicted: ArrayLike, background: ArrayLike | None = None
) -> NDArray[np.float64]:
    """R-factor of each image, (n_tilts,); see `r_factor`. NaN for an image whose sum is zero."""
    difference, total = _sums(images, predicted, background)
    return np.divide(difference, total, out=np.full_like(difference, np.nan), where=total > 0)


def _sums(
    images: ArrayLike, predicted: ArrayLike, background: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Σ|I − P| and Σ|I − b| of each tilt."""
    measured, model = np.asarray(images, np.float64), np.asarray(predicted, np.float64)
    if measured.shape != model.shape or measured.ndim != 3:
        raise InputError(
            f"images {measured.shape} and predicted {model.shape}: expected the same shape (n_tilts, nx, ny)"
        )
    level = np.zeros(1) if background is None else np.asarray(background, np.float64).reshape(-1)
    if len(level) not in (1, len(measured)):
        raise InputError(f"background has {len(level)} values: expected one, or one for each of {len(measured)} tilts")
    difference = np.abs(measured - model).sum(axis=(1, 2))
    return difference, np.abs(measured - level[:, None, None]).sum(axis=(1, 2))
