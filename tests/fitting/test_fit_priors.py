"""Priors: of the width of the PSF, of positions; what they do to a noisy series and leave of a bright one."""

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError, InputError
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.widening import widened
from tests.fitting.fit_scene import displaced, particle, rmsd_pm, series_of

QUIET = {"progress": False, "halo": "fixed"}
CROSS_SECTION = 0.012
"""[Å²] of a heavy atom, as in HAADF images: electrons on the detector per incident electron and area."""


@pytest.fixture(scope="module")
def bright():
    true = particle(30)
    return true, series_of(true, np.full(30, 300.0), size=48)


@pytest.mark.parametrize("dose", [25.0, 50.0])
def test_the_width_survives_a_low_dose_with_many_false_atoms(dose):
    """Half of the atoms are false: the likeliest width shrinks to what single electrons ask for."""
    true = particle(80)
    strength = CROSS_SECTION * dose
    series = series_of(true, np.full(80, strength), n_tilts=21, size=60, background=0.002 * strength)
    ghosts = particle(300, spacing=1.5, seed=5)
    apart = np.linalg.norm(ghosts[:, None] - true[None], axis=2).min(1) > 1.2
    start = AtomicModel(np.concatenate([displaced(true, 0.2).positions, ghosts[apart][:80]]))
    options = {"covariance": "none"} | QUIET
    assert 0.3 < fit(series, start, **options).psf.sigmas[0] < 0.45
    assert fit(series, start, width_prior=None, unbiased_width=False, **options).psf.sigmas[0] < 0.28


def test_the_width_is_unbiased_where_an_atom_has_fifty_electrons():
    """The likeliest width is too narrow by 3 in 4 n of n = 50 electrons, 1.5 %."""
    true = particle(20, spacing=4.5)
    found: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(8):
        series = series_of(true, np.full(20, 3.5), n_tilts=15, size=52, background=0.002, seed=seed)
        for unbiased, widths in found.items():
            result = fit(series, AtomicModel(true), covariance="none", unbiased_width=unbiased, **QUIET)
            widths.append(result.psf.sigmas[0])
    # eight thousand electrons tell the width to 0.6 %
    assert np.mean(found[True]) == pytest.approx(0.4, rel=0.012)
    assert np.mean(found[False]) / np.mean(found[True]) == pytest.approx(1 - 3 / 200, abs=0.005)


def test_a_bright_series_overrules_the_prior_of_the_width(bright):
    true, series = bright
    free = fit(series, AtomicModel(true), covariance="none", width_prior=None, **QUIET)
    wrong = fit(series, AtomicModel(true), covariance="none", width_prior=0.8, **QUIET)
    assert wrong.psf.sigmas[0] == pytest.approx(free.psf.sigmas[0], rel=0.005)
    assert wrong.psf.sigmas[0] == pytest.approx(0.4, rel=0.01)


def test_a_prior_without_width_holds_the_atoms_and_one_of_any_width_leaves_them(bright):
    true, series = bright
    start = displaced(true, 0.1)
    free = fit(series, start, **QUIET)
    wide = fit(series, start, position_prior=1e4, **QUIET)
    narrow = fit(series, start, position_prior=1e-5, **QUIET)
    np.testing.assert_allclose(wide.model.positions, free.model.positions, atol=1e-6)
    np.testing.assert_allclose(wide.model.covariance, free.model.covariance, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(narrow.model.positions, start.positions, atol=1e-5)
    assert narrow.posterior_pm == pytest.approx(100 * 1e-5 * np.sqrt(3), rel=1e-3)
    assert wide.posterior_pm == pytest.approx(wide.bound_pm, rel=1e-4)
    assert free.posterior_pm == free.bound_pm


@pytest.mark.parametrize("covariance", ["full", "blocks"])
def test_the_bound_is_that_of_the_images_whatever_the_prior(bright, covariance):
    true, series = bright
    options = {"fit_width": False, "covariance": covariance, "inflate": False} | QUIET
    free = fit(series, AtomicModel(true), **options)
    held = fit(series, AtomicModel(true), position_prior=0.01, **options)
    assert held.bound_pm == pytest.approx(free.bound_pm, rel=0.01)
    assert held.posterior_pm < min(0.9 * held.bound_pm, 1.0 * np.sqrt(3))
    trace = np.trace(held.model.covariance, axis1=1, axis2=2).mean()
    assert held.posterior_pm == pytest.approx(100 * np.sqrt(trace))
    assert held.summary()["posterior_pm"] == held.posterior_pm


@pytest.mark.parametrize("covariance", ["full", "blocks"])
def test_a_true_prior_helps_as_much_as_the_posterior_says(covariance):
    """Positions known to 0.15 Å, images that tell them to about as much: errors are those of the posterior."""
    true = particle(60)
    series = series_of(true, np.full(60, 3.0), n_tilts=15, size=56, background=0.02)
    prior = 0.15
    start = displaced(true, prior, seed=4)
    known = {"fit_width": False, "covariance": covariance, "inflate": False} | QUIET
    from_images = fit(series, AtomicModel(true), **known)
    result = fit(series, start, position_prior=prior, **known)
    error = result.model.positions - true
    squares = np.einsum("ni,nij,nj->n", error, np.linalg.inv(result.model.covariance), error) / 3
    assert squares.mean() == pytest.approx(1, abs=0.3)
    assert result.posterior_pm < 0.85 * min(from_images.bound_pm, 100 * prior * np.sqrt(3))
    assert rmsd_pm(result.model.positions, true) < rmsd_pm(start.positions, true)


@pytest.mark.parametrize("covariance", ["full", "blocks"])
def test_a_doubted_prior_draws_as_hard_and_vouches_for_less(bright, covariance):
    """The error bars are those of a wider prior about the same positions."""
    true, series = bright
    options = {"fit_width": False, "covariance": covariance, "inflate": False} | QUIET
    start = displaced(true, 0.02)
    sure = fit(series, start, position_prior=0.01, **options)
    doubted = fit(series, start, position_prior=0.01, prior_doubt=3.0, **options)
    wide = fit(series, AtomicModel(sure.model.positions), position_prior=0.03, **options)
    np.testing.assert_array_equal(doubted.model.positions, sure.model.positions)
    assert doubted.bound_pm == sure.bound_pm
    assert doubted.posterior_pm == pytest.approx(wide.posterior_pm, rel=0.01)
    assert doubted.posterior_pm > 1.2 * sure.posterior_pm
    np.testing.assert_allclose(doubted.position_precision, sure.position_precision / 9)


@pytest.mark.parametrize("covariance", ["full", "blocks"])
def test_a_prior_that_knows_the_images_vouches_for_what_exceeds_them(bright, covariance):
    """Far wider than the images' error bars it adds nothing; far narrower it stands alone."""
    true, series = bright
    options = {"fit_width": False, "covariance": covariance, "inflate": False, "prior_shared": True} | QUIET
    alone = fit(series, AtomicModel(true), **options)
    wide = fit(series, AtomicModel(true), position_prior=10 * alone.bound_pm / 100, **options)
    assert wide.posterior_pm == wide.bound_pm
    assert (wide.position_precision == 0).all()
    sigma = 0.1 * alone.bound_pm / 100
    narrow = fit(series, AtomicModel(true), position_prior=sigma, **options)
    assert narrow.posterior_pm == pytest.approx(100 * sigma * np.sqrt(3), rel=0.02)
    even = fit(series, AtomicModel(true), position_prior=alone.bound_pm / 100 / np.sqrt(3), **options)
    told_twice = fit(
        series, AtomicModel(true), position_prior=alone.bound_pm / 100 / np.sqrt(3), **options | {"prior_shared": False}
    )
    assert told_twice.posterior_pm < 0.8 * even.posterior_pm <= 0.8 * even.bound_pm


def test_an_axis_may_be_known_better_and_an_atom_not_at_all(bright):
    true, series = bright
    start = displaced(true, 0.1)
    centres = start.positions.copy()
    centres[4] = np.nan
    result = fit(series, start, position_prior=[1e4, 1e4, 1e-5], prior_positions=centres, **QUIET)
    moved = np.abs(result.model.positions - start.positions)
    assert np.delete(moved, 4, 0)[:, 2].max() < 1e-5
    assert rmsd_pm(result.model.positions[[4]], true[[4]]) < rmsd_pm(start.positions[[4]], true[[4]])
    assert np.median(moved[:, :2]) > 0.02


def test_only_what_the_images_say_is_widened():
    rng = generator(2, "widening")
    roots = rng.normal(size=(5, 3, 3))
    images = roots @ np.swapaxes(roots, 1, 2) + np.eye(3)
    prior = rng.uniform(0.5, 2, size=(5, 3))
    of_prior = prior[:, :, None] * np.eye(3)
    factor = rng.uniform(1, 3, size=5)
    expected = np.linalg.inv(images / factor[:, None, None] + of_prior)
    np.testing.assert_allclose(widened(np.linalg.inv(images + of_prior), factor, prior), expected, rtol=1e-9)
    np.testing.assert_allclose(widened(np.linalg.inv(images), 2.0), 2 * np.linalg.inv(images))


@pytest.mark.parametrize(
    "option", [{"position_prior": 0.0}, {"position_prior": [0.1, 0.2]}, {"width_prior": -1.0}, {"prior_doubt": 0.0}]
)
def test_impossible_priors_are_refused(bright, option):
    true, series = bright
    with pytest.raises(ConfigError, match="prior"):
        fit(series, AtomicModel(true), **option, **QUIET)


def test_centres_of_the_prior_must_be_one_per_atom(bright):
    true, series = bright
    with pytest.raises(InputError, match="prior_positions"):
        fit(series, AtomicModel(true), position_prior=0.1, prior_positions=true[:3], **QUIET)
