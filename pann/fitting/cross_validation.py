"""Does the model predict images that it was not fitted to? R-free, as crystallography has it.

Brünger, Nature 355, 472 (1992): part of the data is set aside, and a model that gains on the rest what it loses on
that part fits noise. Here whole images are set aside, every k-th tilt, since neighbouring pixels of one image share
atoms. One fit without them costs as much as the fit itself and each further fold as much again, hence `folds`.

Of an image set aside nothing is fitted: its background, smooth or constant, and its scale are interpolated between its
neighbours in the series; saturation, attenuation and widths are those of the whole series. Its angle must be known: the
angle of one image says nothing of that of the next, so that a refined series would be compared with the nominal angle,
whose error is larger than any overfitting, and an angle fitted to the image is no prediction of it.

A fit of p parameters to n pixels explains the noise of its own images better than that of others by some 2p/n of the
deviance, even when the model is right (Akaike, IEEE Trans. Autom. Control 19, 716, 1974); a larger gap is overfitting.
Of two models the one with the lower R-free is better, whatever their R-work.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core import AtomicModel, ConfigError, TiltSeries
from pann.fitting.maximum_likelihood import fit
from pann.fitting.prediction import expand
from pann.fitting.result import FitResult

FEWEST_IMAGES = 3
"""Images that must remain for the fit."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Agreement with the images that were fitted and with those that were not.

    Attributes
    ----------
    r_work, r_free : Σ|I − P| / Σ|I| over fitted images, and over images set aside; pooled over the folds.
    misfit_work, misfit_free : mean of (I − P)² / P (for processed images of (I − P)² / σ², σ of the fit) over their
        pixels: 1 where only noise is left.
    optimism : 2p/n, the gap between the misfits that is expected of a right model with p parameters.
    per_tilt : (n_tilts,) R-factor of each image by the fit that did not see it; NaN where every fit saw it.
    every, folds : every k-th image was set aside, in so many fits.
    """

    r_work: float
    r_free: float
    misfit_work: float
    misfit_free: float
    optimism: float
    per_tilt: NDArray[np.float64]
    every: int
    folds: int

    @property
    def overfitting(self) -> float:
        """Gap between the two misfits, relative; `optimism` of it is the price of the parameters of a right model."""
        return self.misfit_free / self.misfit_work - 1

    def summary(self) -> dict[str, Any]:
        """Plain values for `summary.json`."""
        names = ("r_work", "r_free", "misfit_work", "misfit_free", "optimism", "overfitting", "every", "folds")
        return {name: getattr(self, name) for name in names}


def cross_validate(
    series: TiltSeries,
    model: AtomicModel,
    every: int = 5,
    folds: int = 1,
    *,
    background_images: ArrayLike | None = None,
    **fit_options: Any,
) -> CrossValidation:
    """Fit `model` without every k-th image, and predict those.

    Parameters
    ----------
    series : images and angles.
    model : start of each fit. Atoms that were traced in, or fitted to, the images set aside remember a little of them:
        R-free is then a lower limit.
    every : k; an image in k is set aside.
    folds : number of fits, each without other images, 1 to k; with k every image is predicted once.
    background_images : (n_tilts, nx, ny) as in `fit`.
    fit_options : of `pann.fitting.fit`.
    """
    if not 2 <= every <= series.n_tilts or series.n_tilts - -(-series.n_tilts // every) < FEWEST_IMAGES:
        raise ConfigError(
            f"cross_validation is {every}: expected 2 or more, such that some of the {series.n_tilts} images are set "
            f"aside and at least {FEWEST_IMAGES} remain"
        )
    if not 1 <= folds <= every:
        raise ConfigError(f"cross-validation: folds is {folds}: expected 1 to every = {every}")
    if fit_options.get("angles"):
        raise ConfigError(
            "fit.angles=true and cross-validation do not go together: the refined angle of an image that is set aside "
            "is not known; refine the angles first, and cross-validate the series that has them, with angles=false"
        )
    extra = None if background_images is None else np.asarray(background_images, dtype=np.float32)
    options = dict(fit_options) | {"covariance": "none"}
    order = np.argsort(series.angles[:, 1], kind="stable")
    work, free = _Sums(), _Sums()
    per_tilt = np.full(series.n_tilts, np.nan)
    shares = []
    for fold in range(folds):
        aside = np.zeros(series.n_tilts, dtype=bool)
        # the middle of each run of k tilts, so that backgrounds are interpolated and not extrapolated
        aside[order[(every // 2 + fold) % every :: every]] = True
        rest = None if extra is None else extra[~aside]
        result = fit(_images(series, ~aside), model, background_images=rest, **options)
        predicted = predict(series, result, aside, None if extra is None else extra[aside])
        work.add(series.images[~aside], result.predicted, result.noise_sigma)
        per_tilt[aside] = free.add(series.images[aside], predicted, result.noise_sigma)
        shares.append(2 * result.n_parameters / result.n_pixels)
    optimism = float(np.mean(shares))
    return CrossValidation(work.r_factor, free.r_factor, work.misfit, free.misfit, optimism, per_tilt, every, folds)


def predict(
    series: TiltSeries, result: FitResult, aside: NDArray[np.bool_], background_images: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Images that `result`, a fit to the others, expects where `aside` (n_tilts,) is true, (k, nx, ny).

    Background, surface and scale are interpolated in the tilt angle; shifts, which have no trend, are taken as zero.
    """
    theta = series.angles[:, 1]
    known = np.flatnonzero(~aside)
    known = known[np.argsort(theta[known], kind="stable")]
    place = np.cumsum(~aside) - 1

    def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = values.reshape(len(values), -1)[place[known]].T
        found = np.stack([np.interp(theta[aside], theta[known], column) for column in columns], axis=1)
        return found.reshape(-1, *values.shape[1:])

    expansion = expand(
        result.model,
        result.psf,
        series.angles[aside],
        series.image_shape,
        series.pixel_size,
        background=between(result.background),
        scales=between(result.scales),
        background_images=background_images,
        surface=None if result.surface is None else between(result.surface),
        saturation=result.saturation,
        attenuation=result.attenuation,
        element_widths=result.element_widths,
    )
    return expansion.images.cpu().numpy()


def _images(series: TiltSeries, chosen: NDArray[np.bool_]) -> TiltSeries:
    return series.replace(images=series.images[chosen], angles=series.angles[chosen])


class _Sums:
    """Running sums of an R-factor and of a misfit."""

    def __init__(self) -> None:
        self.difference = self.total = self.squares = 0.0
        self.pixels = 0

    def add(
        self, images: NDArray[np.float32], predicted: NDArray[np.float32], sigma: float | None
    ) -> NDArray[np.float64]:
        """Count images (k, nx, ny); returns the R-factor of each."""
        measured, expected = images.astype(np.float64), predicted.astype(np.float64)
        difference, total = np.abs(measured - expected).sum((1, 2)), np.abs(measured).sum((1, 2))
        variance = np.maximum(expected, 1e-6 * measured.mean()) if sigma is None else sigma**2
        self.difference += float(difference.sum())
        self.total += float(total.sum())
        self.squares += float(((measured - expected) ** 2 / variance).sum())
        self.pixels += measured.size
        return np.asarray(difference / np.maximum(total, np.finfo(float).tiny))

    @property
    def r_factor(self) -> float:
        return self.difference / self.total

    @property
    def misfit(self) -> float:
        return self.squares / self.pixels
