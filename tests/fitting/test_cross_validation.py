"""Images set aside tell a right model from one that fits noise."""

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError, PointSpread, TiltSeries
from pann.core.random import generator
from pann.fitting.cross_validation import cross_validate
from pann.fitting.surface import surface_terms
from tests.fitting.fit_scene import dense_images, displaced, particle, series_of

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


def test_refined_angles_cannot_be_predicted() -> None:
    series = TiltSeries(np.eye(8)[None] + np.zeros((9, 1, 1)), np.arange(9), 0.4)
    with pytest.raises(ConfigError, match="do not go together"):
        cross_validate(series, AtomicModel([[0.0, 0.0, 0.0]], [78]), 3, angles=True)


def test_a_smooth_film_and_saturation_are_predicted() -> None:
    """Images set aside of a saturating particle on a film that bends slowly with the tilt agree to within noise."""
    true, size = particle(20), 44
    series = series_of(true, np.full(20, 400.0), n_tilts=24, size=size)
    bend = np.cos(np.linspace(0, 2, 24))[:, None] * np.array([0.8, -0.6, 0.5, 0.3, -0.4])
    film = 2.0 + np.einsum("tk,kxy->txy", bend, surface_terms((size, size), 2).numpy())
    atoms = dense_images(true, np.full(20, 400.0), series.angles[:, 1], (size, size), 0.4, PointSpread((0.4,)))
    beta = 0.4 / atoms.max()
    counts = generator(4, "film").poisson(film + atoms / (1 + beta * atoms))
    series, start = series.replace(images=counts), displaced(true, 0.05)
    plain, right = (
        cross_validate(series, start, 4, surface=order, saturation=order > 0, **OPTIONS) for order in (0, 2)
    )
    assert right.misfit_free == pytest.approx(1, abs=0.06)
    assert right.overfitting == pytest.approx(right.optimism, abs=0.04)
    assert plain.misfit_free > right.misfit_free + 0.05
