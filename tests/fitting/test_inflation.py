"""The scatter of the pulls is that of noise where the model is right, and tells of atoms that move between images."""

import numpy as np
import pytest

from pann.core import AtomicModel, PointSpread, TiltSeries
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.existence import Scene
from pann.fitting.inflation import SECOND_ORDER, WEAKEST, score_inflation, weakness_inflation
from tests.fitting.fit_scene import dense_images, particle, series_of


def fitted(series: TiltSeries, true: np.ndarray):
    result = fit(series, AtomicModel(true), halo="fixed", progress=False)
    return result, score_inflation(Scene.of(series, result), result.model)


def test_noise_alone_needs_no_inflation():
    true = particle(60)
    _, factor = fitted(series_of(true, np.full(60, 100.0), size=52, n_tilts=21), true)
    # a little below 1: overlapping neighbours take part of the freedom too
    assert factor.mean() == pytest.approx(0.95, abs=0.1)


def test_atoms_that_move_between_images_need_as_much_as_their_errors_say():
    true, rng = particle(60), generator(3, "motion")
    angles = np.linspace(-70, 70, 21)
    images = []
    for angle in angles:
        moved = true + rng.normal(scale=0.08, size=true.shape)
        images.append(dense_images(moved, np.full(60, 300.0), [angle], (52, 52), 0.4, PointSpread((0.4,)))[0])
    series = TiltSeries(rng.poisson(np.array(images) + 0.3), angles, 0.4)
    result, factor = fitted(series, true)
    error = result.model.positions - true
    precision = np.linalg.inv(result.model.covariance / result.inflation)
    variance = np.einsum("ni,nij,nj->n", error, precision, error).mean() / 3
    assert variance > 1.4
    # the variance of 180 coordinates is good to a tenth
    assert factor.mean() == pytest.approx(variance, rel=0.3)
    assert factor.mean() > 1.1 * result.reduced_chi2


def test_two_images_tell_nothing():
    true = particle(5)
    series = series_of(true, np.full(5, 1000.0), n_tilts=3)
    pair = series.replace(images=series.images[:2], angles=series.angles[:2])
    result = fit(pair, AtomicModel(true), halo="fixed", covariance="none", progress=False)
    np.testing.assert_array_equal(score_inflation(Scene.of(pair, result), result.model), 1)


def test_weak_atoms_get_wider_error_bars_and_bright_ones_none():
    true = particle(12)
    factors = []
    for counts in (4.0, 40.0, 4000.0):
        series = series_of(true, np.full(12, counts), size=36)
        result = fit(series, AtomicModel(true), halo="fixed", fit_width=False, psf=PointSpread((0.4,)), progress=False)
        factors.append(weakness_inflation(Scene.of(series, result), result.model))
    weak, middle, bright = factors
    assert np.all(weak > middle)
    assert np.all(middle > bright)
    assert bright == pytest.approx(1, abs=0.01)
    assert weak.max() <= 1 + SECOND_ORDER / WEAKEST**2
