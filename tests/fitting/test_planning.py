"""Planned figures against simulated experiments and against laws of scale."""

import numpy as np
import pytest

from pann.core import AtomicModel, InputError, PointSpread, TiltSeries
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.elements import bayes_error, element_limits
from pann.fitting.existence import Scene, weigh_atoms
from pann.fitting.planning import Acquisition, existence_limits, plan_dose, plan_tilt_range
from pann.fitting.prediction import expand
from tests.fitting.fit_scene import particle, rmsd_pm

ANGLES = np.linspace(-65, 65, 15)
OPTICS = Acquisition({28: 0.0045, 78: 0.018}, PointSpread((0.42,)), 0.4, background=0.1)


@pytest.fixture(scope="module")
def structure() -> AtomicModel:
    return AtomicModel(particle(40), np.where(np.arange(40) % 2, 78, 28))


def simulated(structure: AtomicModel, dose: float, seed: int) -> TiltSeries:
    bright = structure.replace(intensities=[dose * OPTICS.cross_sections[int(z)] for z in structure.numbers])
    edge = 2 * int(np.ceil((np.linalg.norm(structure.positions, axis=1).max() + 4) / 0.4))
    images = expand(bright, OPTICS.psf, ANGLES, (edge, edge), 0.4).images.numpy().astype(float)
    return TiltSeries(generator(seed, "noise").poisson(images + 0.1 * images.mean()), ANGLES, 0.4)


def test_fits_of_simulated_series_scatter_as_planned(structure):
    doses = (1000.0, 4000.0, 16000.0)
    plan = plan_dose(structure, ANGLES, OPTICS, doses)
    for k, dose in enumerate(doses):
        errors = []
        for seed in range(3):
            series = simulated(structure, dose, seed)
            result = fit(series, structure, halo="fixed", covariance="none", progress=False)
            errors.append(rmsd_pm(result.model.positions, structure.positions))
        # 3 x 40 atoms of three coordinates: the RMSD is good to 4 %
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(plan.rmsd_pm[k], rel=0.12)


def test_detection_is_the_share_of_atoms_above_the_threshold(structure):
    dose = 900.0
    plan = plan_dose(structure, ANGLES, OPTICS, [dose])
    passed = []
    for seed in range(4):
        series = simulated(structure, dose, seed)
        result = fit(series, structure, halo="fixed", covariance="none", progress=False)
        heights = [dose * section for section in OPTICS.cross_sections.values()]
        evidence = weigh_atoms(Scene.of(series, result), result.model, heights)
        passed.append((evidence.level > plan.level) & (evidence.best > 0))
    share = np.mean(passed, axis=0)
    for z, symbol in ((28, "Ni"), (78, "Pt")):
        assert share[structure.numbers == z].mean() == pytest.approx(plan.detection[symbol][0], abs=0.12)


def test_the_limit_of_known_sites_is_the_error_of_the_best_test(structure):
    """The likelihood ratio of Poisson counts decides whether one site is filled, all other atoms being known."""
    dose, draws, rng = 60.0, 600, generator(0, "sites")
    expected = existence_limits(structure, ANGLES, OPTICS, [dose]).sites[0]
    bright = structure.replace(intensities=[dose * OPTICS.cross_sections[int(z)] for z in structure.numbers])
    edge = 2 * int(np.ceil((np.linalg.norm(structure.positions, axis=1).max() + 4) / 0.4))
    frame = (ANGLES, (edge, edge), 0.4)
    full = expand(bright, OPTICS.psf, *frame).images.numpy().astype(float)
    level = OPTICS.background * full.mean()
    mistakes = []
    for atom in range(0, 40, 5):
        alone = expand(bright.select([atom]), OPTICS.psf, *frame).images.numpy().astype(float)
        seen = alone > 1e-9 * alone.max()
        filled, empty = (full + level)[seen], (full + level - alone)[seen]
        ratio = np.log(filled / empty)
        truth = rng.random(draws) < 0.5
        counts = rng.poisson(np.where(truth[:, None], filled, empty))
        mistakes.append((counts @ ratio - (filled - empty).sum() > 0) != truth)
    wrong = np.mean(mistakes, axis=1)
    assert 0.02 < wrong.mean() < 0.4
    # 600 draws are good to 0.02 each
    np.testing.assert_allclose(expected[::5] / 2, wrong, atol=0.05)
    assert expected[::5].mean() / 2 == pytest.approx(wrong.mean(), abs=0.012)


def test_a_blind_search_finds_what_stands_above_noise_and_no_more(structure):
    found = existence_limits(structure, ANGLES, OPTICS, [1.0, 60.0, 300.0, 1e6])
    assert found.blind[0].min() > 0.98
    assert found.blind[-1].max() < 1e-3 > found.sites[-1].max()
    assert (np.diff(found.sites, axis=0) < 0).all()
    assert (np.diff(found.blind.mean(1)) < 0).all()
    assert (found.sites.mean(1) < found.blind.mean(1)).all()
    heavy = structure.numbers == 78
    assert found.blind[1:3, heavy].mean() < found.blind[1:3, ~heavy].mean()


def test_the_bound_falls_with_the_root_of_the_dose_and_chances_rise(structure):
    plan = plan_dose(structure, ANGLES, OPTICS, [100, 400, 1600, 1e5])
    assert plan.rmsd_pm[0] / plan.rmsd_pm[1] == pytest.approx(2, rel=1e-6)
    np.testing.assert_allclose((plan.axes_pm**2).sum(1), plan.rmsd_pm**2)
    for chances in plan.detection.values():
        assert np.all(np.diff(chances) >= 0)
        assert chances[-1] == pytest.approx(1, abs=1e-6)
    assert np.all(plan.detection["Pt"] >= plan.detection["Ni"])
    assert np.all(np.diff(plan.confusion["Ni-Pt"]) < 0)


def test_a_narrow_tilt_range_costs_along_the_beam(structure):
    bounds = plan_tilt_range(structure, [50, 70, 90], 15, OPTICS, 1000.0)
    assert bounds.shape == (3, 3)
    assert np.all(np.diff(bounds[:, 2]) < 0)
    assert bounds[0, 2] > 1.3 * bounds[0, 1]
    # all around the tilt axis x and z are alike
    assert bounds[2, 2] == pytest.approx(bounds[2, 0], rel=0.1)


def test_what_cannot_be_planned_is_refused(structure):
    with pytest.raises(InputError, match="doses"):
        plan_dose(structure, ANGLES, OPTICS, [0.0])
    with pytest.raises(InputError, match="element of every atom"):
        plan_dose(AtomicModel(particle(3)), ANGLES, OPTICS, [10.0])
    with pytest.raises(InputError, match="tilt limit"):
        plan_tilt_range(structure, [100], 15, OPTICS, 10.0)


def test_the_bayes_error_is_the_rate_of_confusion():
    rng = np.random.default_rng(0)
    heights, sigma = (5.0, 8.0), 1.2
    measured = rng.choice(heights, size=40_000)
    seen = measured + sigma * rng.normal(size=40_000)
    wrong = (seen > 6.5) != (measured == 8.0)
    assert wrong.mean() == pytest.approx(float(bayes_error(3.0 / sigma)), abs=0.005)


def test_limits_by_pair_count_the_atoms_of_the_pair():
    numbers = np.array([28, 28, 46, 78])
    limits = element_limits(numbers, np.full(4, 1.0), [28, 46, 78], [1.0, 3.0, 9.0])
    assert limits.pairs == [(28, 46), (28, 78), (46, 78)]
    np.testing.assert_allclose(limits.separation[0], [2, 8, 6])
    assert np.isnan(limits.error[3, 0])
    assert limits.summary()["Ni-Pd"]["separation_sigmas"] == pytest.approx(2)
    assert element_limits(np.array([14]), np.ones(1), [14], [1.0]).summary() == {}
