"""Images set aside tell a right model from one that fits noise."""

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError, TiltSeries
from pann.fitting.cross_validation import cross_validate
from tests.fitting.fit_scene import displaced, particle, series_of

OPTIONS = {"halo": "fixed", "progress": False}


@pytest.fixture(scope="module")
def scene():
    true = particle(30)
    return true, series_of(true, np.full(30, 80.0), n_tilts=20, size=44)


def test_a_right_model_predicts_unseen_images_as_well_as_noise_allows(scene):
    true, series = scene
    result = cross_validate(series, displaced(true, 0.05), every=5, folds=2, **OPTIONS)
    assert np.isfinite(result.per_tilt).sum() == 8
    assert result.misfit_free == pytest.approx(1, abs=0.04)
    assert result.r_free == pytest.approx(result.r_work, rel=0.03)
    # the standard deviation of a misfit of 15,000 pixels of unit noise is 0.012
    assert result.overfitting == pytest.approx(result.optimism, abs=0.04)
    assert result.summary()["r_free"] == result.r_free


def test_one_fold_sets_every_kth_image_aside(scene):
    true, series = scene
    result = cross_validate(series, AtomicModel(true), every=4, **OPTIONS)
    assert np.isfinite(result.per_tilt).sum() == 5
    assert not np.isfinite(result.per_tilt[[0, -1]]).any()


def test_atoms_that_fit_noise_are_found_out():
    true = particle(12)
    series = series_of(true, np.full(12, 60.0), n_tilts=8, size=40)
    ghosts = particle(60, spacing=1.6, seed=5)
    away = np.linalg.norm(ghosts[:, None] - true[None], axis=2).min(1) > 1.6
    crowded = AtomicModel(np.concatenate([true, ghosts[away]]), intensities=None)
    honest, greedy = (
        cross_validate(series, model, every=4, folds=4, intensities="atom", **OPTIONS)
        for model in (AtomicModel(true), crowded)
    )
    assert greedy.misfit_work < honest.misfit_work
    assert greedy.misfit_free > honest.misfit_free
    assert greedy.overfitting > honest.overfitting + 0.01
    assert greedy.optimism > 2 * honest.optimism


@pytest.mark.parametrize(("every", "folds"), [(1, 1), (30, 1), (5, 6), (5, 0)])
def test_what_cannot_be_set_aside_is_refused(scene, every, folds):
    true, series = scene
    with pytest.raises(ConfigError, match="expected"):
        cross_validate(series, AtomicModel(true), every=every, folds=folds, **OPTIONS)


@pytest.mark.parametrize("option", [{"angles": True}, {"surface": 2}, {"saturation": True}])
def test_terms_that_cannot_be_predicted_are_refused(option: dict[str, object]) -> None:
    series = TiltSeries(np.eye(8)[None] + np.zeros((9, 1, 1)), np.arange(9), 0.4)
    with pytest.raises(ConfigError, match="do not go together"):
        cross_validate(series, AtomicModel([[0.0, 0.0, 0.0]], [78]), 3, **option)
