"""Which atoms exist: false-positive rate on noise, power, removal of planted atoms, recovery of deleted ones."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from pann.core import AtomicModel, ConfigError, InputError, PointSpread, TiltSeries
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.existence import Scene, decide_atoms, expected_maxima, noise_threshold, weigh_atoms
from pann.fitting.existence.evidence import blocks_of
from pann.fitting.existence.profile import maximise, patches
from pann.fitting.existence.search import normalised_score, search, squared, sum_of_gaussians
from pann.fitting.likelihood import PoissonNoise
from pann.fitting.prediction import expand
from tests.fitting.fit_scene import displaced, particle, series_of

QUICK = {"halo": "fixed", "progress": False}
PSF = PointSpread((0.4,))


@pytest.fixture(scope="module")
def scene():
    """30 atoms, fitted with all that are there."""
    true = particle(30)
    series = series_of(true, np.full(30, 60.0), n_tilts=15, size=44)
    result = fit(series, AtomicModel(true), covariance="none", **QUICK)
    return true, series, result


def noise_scene(seed: int, level: float = 0.4) -> Scene:
    """A field of nothing but background, known exactly."""
    angles = np.linspace(-70, 70, 15)
    counts = generator(seed, "noise").poisson(level, size=(15, 44, 44)).astype(np.float32)
    return Scene(
        TiltSeries(counts, angles, 0.4),
        torch.tensor(counts),
        torch.full((15, 44, 44), level),
        PSF,
        np.ones(15),
        np.zeros((15, 2)),
        PoissonNoise(1e-6),
    )


def test_the_threshold_inverts_the_expected_number_of_maxima():
    for expected in (0.1, 3.0):
        level = noise_threshold(expected, 8000.0)
        assert expected_maxima(level, 8000.0) == pytest.approx(expected, rel=1e-6)
    assert noise_threshold(1.0, 1e5) > noise_threshold(1.0, 1e3)


def test_pure_noise_has_as_many_maxima_as_the_theory_says():
    atom = AtomicModel(np.zeros((1, 3)), intensities=[1.0])
    levels = (2.75, 3.25)
    counts, independent = np.zeros(2), 0.0
    for seed in range(8):
        found = search(noise_scene(seed, level=20.0), atom, 0.5, 7.0)
        counts += [(found.heights > level).sum() for level in levels]
        independent += found.independent
    expected = np.array([expected_maxima(level, independent) for level in levels])
    # the Euler characteristic counts maxima less saddles: a third fewer than maxima at such low levels
    assert np.all(counts > expected - 3 * np.sqrt(expected)), (counts, expected)
    assert np.all(counts < 1.35 * expected + 3 * np.sqrt(expected)), (counts, expected)


def test_the_normalised_score_of_noise_has_unit_variance():
    places = generator(0, "places").uniform(-5, 5, size=(4000, 3))
    z = np.concatenate([normalised_score(noise_scene(seed, 20.0), places) for seed in range(4)])
    assert np.sqrt((z**2).mean()) == pytest.approx(1, abs=0.08)


def test_the_exact_statistic_is_standard_normal_even_for_few_counts():
    """At one electron in 50 pixels √T_free of noise passes 2.5 about as often as a normal variable does."""
    places = generator(1, "places").uniform(-5, 5, size=(700, 3))
    probes = AtomicModel(places, intensities=np.zeros(len(places)))
    exact, linear = 0, 0
    for seed in range(5):
        dim = noise_scene(seed, 0.02)
        linear += (normalised_score(dim, places) > 2.5).sum()
        for part, patch in patches(dim, probes):
            dark = torch.zeros(part.stop - part.start, dtype=torch.float64)
            best = maximise(dim, patch, dark + 1, dark, dark)
            exact += int((patch.gain(dim, best) > 2.5**2).sum())
    expected = 5 * 700 * norm.sf(2.5)
    assert exact < 1.5 * expected
    assert linear > 2 * exact


def test_filters_are_those_of_the_profile():
    psf = PointSpread.core_and_halo(0.4, 0.2, 2.5)
    impulse = torch.zeros(1, 61, 61)
    impulse[0, 30, 30] = 1
    profile = sum_of_gaussians(impulse, psf, 0.3)
    assert float(profile.sum()) == pytest.approx(1, abs=1e-4)
    power = sum_of_gaussians(impulse, squared(psf), 0.3) * 0.3**2
    torch.testing.assert_close(power, profile**2, rtol=2e-3, atol=1e-6)


def test_power_is_that_of_a_shifted_normal(scene):
    """√T_free of an atom whose intensity is d standard deviations is d on average, with unit variance."""
    true, _, _ = scene
    levels, expected = [], []
    for seed in range(6):
        series = series_of(true, np.full(30, 60.0), n_tilts=15, size=44, seed=20 + seed)
        result = fit(series, AtomicModel(true), covariance="none", **QUICK)
        evidence = weigh_atoms(Scene.of(series, result), result.model, [60.0])
        levels.append(evidence.intensity * np.sqrt(evidence.information))
        expected.append(60.0 * np.sqrt(evidence.information))
    deviation = np.concatenate(levels) - np.concatenate(expected)
    # a position that is fitted too follows the noise uphill: a little above d on average
    assert deviation.mean() == pytest.approx(0.2, abs=0.35)
    assert deviation.std() == pytest.approx(1, abs=0.15)


def test_removal_costs_what_a_fit_without_the_atom_says(scene):
    _, series, result = scene
    evidence = weigh_atoms(Scene.of(series, result), result.model, [float(result.model.intensities[0])])
    for atom in (0, 7, 29):
        rest = result.model.select(np.arange(30) != atom)
        without = fit(series, rest, psf=result.psf, fit_width=False, covariance="none", **QUICK)
        assert evidence.fixed[atom, 0] == pytest.approx(without.deviance - result.deviance, rel=0.25)


def test_planted_atoms_go_and_deleted_ones_come_back(scene):
    true, series, _ = scene
    far = np.array([[true[:, 0].max() + 2.4, 0.3, 0.2], [0.0, true[:, 1].min() - 2.3, 0.1]])
    start = AtomicModel(np.concatenate([displaced(true, 0.08).positions[4:], far]))
    found = decide_atoms(series, start, max_rounds=6, **QUICK)
    assert found.settled
    assert found.added == 4
    assert found.removed == 2
    assert len(found.model) == 30
    gap = np.linalg.norm(found.model.positions[:, None] - true[None], axis=2).min(0)
    assert gap.max() < 0.8
    assert (found.origin < 0).sum() == 4
    assert found.summary()["added"] == 4


def test_a_model_that_is_right_stays_as_it_is(scene):
    true, series, _ = scene
    found = decide_atoms(series, AtomicModel(true), false_share=0.002, **QUICK)
    assert (found.added, found.removed, found.renamed, found.rounds) == (0, 0, 0, 1)
    assert found.spread == pytest.approx(1, abs=0.2)


def test_the_likelihood_names_an_atom_of_doubtful_element():
    true = particle(24)
    numbers = np.where(np.arange(24) % 2, 78, 28)
    series = series_of(true, np.where(numbers == 78, 200.0, 80.0), n_tilts=15, size=40)
    named = np.where(np.isin(np.arange(24), [3, 8]), 106 - numbers, numbers)
    doubtful = AtomicModel(true, named, probabilities=np.where(named == numbers, 0.99, 0.6))
    found = decide_atoms(series, doubtful, **QUICK)
    np.testing.assert_array_equal(found.model.numbers, numbers)
    assert found.renamed == 2
    sure = doubtful.replace(probabilities=np.full(24, 0.99))
    assert decide_atoms(series, sure, max_rounds=1, **QUICK).renamed == 0


def test_blocks_hold_every_atom_once():
    blocks = blocks_of(particle(700, spacing=1.5))
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(700))
    assert max(len(block) for block in blocks) <= 150


def test_expected_images_are_those_of_the_fit(scene):
    _, series, result = scene
    again = expand(
        result.model, result.psf, series.angles, series.image_shape, series.pixel_size, background=result.background
    )
    np.testing.assert_allclose(again.images.numpy(), result.predicted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", [{"false_share": 0.0}, {"keep_rate": 1.5}])
def test_rates_outside_their_range_are_refused(scene, option):
    true, series, _ = scene
    with pytest.raises(ConfigError, match="existence"):
        decide_atoms(series, AtomicModel(true), **option, **QUICK)


def test_prior_odds_decide_where_the_images_hardly_do(scene):
    """A planted atom stays if it is believed in, and a true one goes if it is not."""
    true, series, _ = scene
    far = np.array([[true[:, 0].max() + 2.4, 0.3, 0.2]])
    start = AtomicModel(np.concatenate([true, far]))
    told = np.zeros(31)
    even = decide_atoms(series, start, log_odds=told, max_rounds=2, **QUICK).origin
    told[[30, 7]] = 1e6, -1e6
    found = decide_atoms(series, start, log_odds=told, max_rounds=2, **QUICK).origin
    np.testing.assert_array_equal(even, np.arange(30))
    assert 30 in found
    assert 7 not in found
    with pytest.raises(InputError, match="log_odds"):
        decide_atoms(series, start, log_odds=np.zeros(3), **QUICK)


def test_atoms_are_judged_through_saturation_attenuation_and_widths():
    """Removal costs what a fit without the atom says, and planted and missing atoms are told, in a nonlinear series."""
    true, numbers = particle(30), np.where(np.arange(30) % 2, 78, 28)
    plain = series_of(true, np.full(30, 1.0), n_tilts=15, size=44)
    state = fit(plain, AtomicModel(true, numbers), covariance="none", **QUICK)
    light = AtomicModel(true, numbers, intensities=np.where(numbers == 78, 90.0, 60.0))
    images = expand(
        light,
        state.psf.blurred(0.01),
        plain.angles,
        (44, 44),
        0.4,
        background=0.3,
        saturation=0.02,
        attenuation=0.008,
        element_widths={28: 0.46, 78: 0.4},
    ).images.numpy()
    series = plain.replace(images=generator(8, "nonlinear").poisson(images))
    terms = {"saturation": True, "attenuation": True, "element_widths": True} | QUICK
    result = fit(series, AtomicModel(true, numbers), covariance="none", **terms)
    model = result.model
    evidence = weigh_atoms(Scene.of(series, result), model, [60.0, 90.0])
    for atom in (0, 9):
        rest = model.select(np.arange(30) != atom)
        without = fit(series, rest, covariance="none", **terms)
        cost = evidence.fixed[atom, int(numbers[atom] == 78)]
        assert cost == pytest.approx(without.deviance - result.deviance, rel=0.3)
    far = np.array([[true[:, 0].max() + 2.4, 0.3, 0.2]])
    start = AtomicModel(np.concatenate([displaced(true, 0.05).positions[2:], far]), np.append(numbers[2:], 28))
    found = decide_atoms(series, start, max_rounds=5, **terms)
    assert found.removed == 1
    assert found.added == 2
    assert np.linalg.norm(found.model.positions[:, None] - true[None], axis=2).min(0).max() < 0.8
    np.testing.assert_array_equal(np.isnan(found.given_positions(start)).any(1), found.origin < 0)
