"""Fits of simulated series: efficiency, invariances, limits, guards."""

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError, InputError, PointSpread
from pann.fitting import AtomFlag, fit
from tests.fitting.fit_scene import dense_images, displaced, particle, rmsd_pm, series_of

QUIET = {"progress": False}


@pytest.fixture(scope="module")
def fitted():
    true = particle(60)
    series = series_of(true, np.full(60, 60.0), size=56, n_tilts=21)
    return true, series, fit(series, displaced(true, 0.15), **QUIET)


def test_positions_reach_the_bound_without_bias(fitted):
    true, _, result = fitted
    error = result.model.positions - true
    assert result.converged
    assert 0.85 < rmsd_pm(result.model.positions, true) / result.bound_pm < 1.15
    assert np.all(np.abs(100 * error.mean(0)) < 4 * result.bound_pm / np.sqrt(3 * len(true)))


def test_normalised_residuals_have_unit_variance(fitted):
    true, _, result = fitted
    error = result.model.positions - true
    squares = np.einsum("ni,nij,nj->n", error, np.linalg.inv(result.model.covariance), error) / 3
    assert squares.mean() == pytest.approx(1, abs=0.3)
    assert result.reduced_chi2 == pytest.approx(1, abs=0.05)


def test_a_series_of_one_gaussian_gets_no_halo(fitted):
    _, _, result = fitted
    assert result.halo_gain < result.halo_needed
    assert result.psf.sigmas == (pytest.approx(0.4, abs=0.01),)
    assert result.model.intensities == pytest.approx(60, rel=0.02)
    assert result.background == pytest.approx(0.3, abs=0.06)


def test_the_r_factor_falls(fitted):
    _, series, result = fitted
    assert result.r_factor_after < result.r_factor_before
    assert result.predicted.shape == series.images.shape
    assert result.r_factor_per_tilt.shape == (series.n_tilts,)
    assert result.summary()["flagged"] == {"weak": 0, "merged": 0, "drifted": 0, "outside": 0}


def test_a_bright_series_finds_its_halo():
    true = particle(40, seed=2)
    series = series_of(true, np.full(40, 1500.0), psf=PointSpread.core_and_halo(0.38, 0.22, 2.7), size=60)
    result = fit(series, displaced(true, 0.1), covariance="blocks", **QUIET)
    assert result.halo_gain > result.halo_needed
    assert result.psf.sigmas == pytest.approx((0.38, 0.38 * 2.7), rel=0.03)
    assert result.psf.weights[1] == pytest.approx(0.22, abs=0.02)


def test_starts_half_an_angstrom_off_end_in_the_same_place(fitted):
    _, series, result = fitted
    true = fitted[0]
    again = fit(series, displaced(true, 0.29, seed=7), **QUIET)
    assert rmsd_pm(again.model.positions, result.model.positions) < 0.1 * result.bound_pm


def test_fits_are_deterministic_and_follow_a_permutation_of_the_atoms():
    true = particle(15)
    numbers = np.where(np.arange(15) % 3 == 0, 78, 28)
    series = series_of(true, np.where(numbers == 78, 240.0, 80.0), size=32, n_tilts=11)
    start = displaced(true, 0.1).replace(numbers=numbers)
    order = np.random.default_rng(0).permutation(15)
    one, two, mixed = (fit(series, model, halo="fixed", **QUIET) for model in (start, start, start.select(order)))
    np.testing.assert_array_equal(one.model.positions, two.model.positions)
    np.testing.assert_allclose(mixed.model.positions, one.model.positions[order], atol=2e-3)
    np.testing.assert_allclose(mixed.model.covariance, one.model.covariance[order], rtol=2e-3, atol=1e-8)
    assert one.model.intensities[numbers == 78] == pytest.approx(240, rel=0.1)
    assert one.model.intensities[numbers == 28] == pytest.approx(80, rel=0.1)


def test_poisson_and_gaussian_likelihoods_agree_at_many_counts():
    true = particle(12)
    counts = series_of(true, np.full(12, 1e4), background=2e4, size=30, n_tilts=11)
    images = counts.replace(kind="intensity")
    start = displaced(true, 0.05)
    poisson, gauss = (fit(series, start, halo="fixed", **QUIET) for series in (counts, images))
    assert rmsd_pm(poisson.model.positions, gauss.model.positions) < 0.2 * poisson.bound_pm
    assert gauss.bound_pm == pytest.approx(poisson.bound_pm, rel=0.05)
    assert gauss.noise_sigma == pytest.approx(np.sqrt(2e4), rel=0.05)


def test_background_is_recovered():
    true = particle(8)
    result = fit(series_of(true, np.full(8, 100.0), background=3.0, size=40), displaced(true, 0.05), **QUIET)
    assert result.background == pytest.approx(3.0, abs=0.2)
    shared = fit(
        series_of(true, np.full(8, 100.0), background=3.0, size=40), displaced(true, 0.05), background="shared", **QUIET
    )
    assert shared.background == pytest.approx(3.0, abs=0.05)
    assert np.ptp(shared.background) == 0


def test_the_bound_scales_with_the_root_of_the_dose():
    true = particle(12)
    bounds = []
    for dose in (1.0, 16.0):
        series = series_of(true, np.full(12, 100.0 * dose), background=1.0 * dose, size=32, n_tilts=11)
        bounds.append(fit(series, AtomicModel(true), halo="fixed", **QUIET).bound_pm)
    assert bounds[0] / bounds[1] == pytest.approx(4, rel=0.05)


def test_blocks_widened_by_random_vectors_reach_the_full_bound(fitted):
    _, series, result = fitted
    blocks = fit(series, result.model, covariance="blocks", **QUIET)
    assert not blocks.bound_is_full
    assert blocks.bound_pm == pytest.approx(result.bound_pm, rel=0.03)


def test_a_single_image_holds_two_coordinates_and_leaves_the_third():
    true = particle(1) + np.array([0.3, -0.2, 0.5])
    series = series_of(true, np.full(1, 1e4), size=30, n_tilts=3)
    one = series.replace(images=series.images[1:2], angles=series.angles[1:2])
    start = true + np.array([[0.2, -0.1, 0.3]])
    result = fit(one, AtomicModel(start), halo="fixed", **QUIET)
    assert result.model.positions[0, :2] == pytest.approx(true[0, :2], abs=0.02)
    assert result.model.positions[0, 2] == pytest.approx(start[0, 2], abs=1e-6)
    assert result.model.covariance[0, 2, 2] > 1


def test_the_covariance_can_be_left_out():
    true = particle(5)
    result = fit(series_of(true, np.full(5, 200.0), n_tilts=5), AtomicModel(true), covariance="none", **QUIET)
    assert result.model.covariance is None
    assert np.isnan(result.bound_pm)


def test_scales_and_shifts_of_the_images_are_found():
    true, rng = particle(30), np.random.default_rng(1)
    series = series_of(true, np.full(30, 300.0), size=48)
    scales = 1 + 0.1 * rng.normal(size=series.n_tilts)
    scales /= scales.mean()
    angles = series.angles[:, 1]
    images = dense_images(true, np.full(30, 300.0), angles, (48, 48), 0.4, PointSpread((0.4,)))
    shift = rng.integers(-1, 2, size=(series.n_tilts, 2))
    moved = np.stack([np.roll(im, tuple(d), (0, 1)) for im, d in zip(images, shift, strict=True)])
    counts = rng.poisson(0.3 + scales[:, None, None] * moved)
    result = fit(series.replace(images=counts), AtomicModel(true), scales=True, shifts=True, halo="fixed", **QUIET)
    assert result.scales == pytest.approx(scales, abs=0.03)
    view = series.rotations[:, :2].reshape(-1, 3)
    gauge = view @ np.linalg.lstsq(view, 0.4 * shift.reshape(-1), rcond=None)[0]
    assert result.shifts.reshape(-1) == pytest.approx(0.4 * shift.reshape(-1) - gauge, abs=0.05)


def test_images_of_what_is_outside_the_model_are_taken_as_given():
    inside, outside = particle(40)[:14], particle(40)[14:]
    series = series_of(particle(40), np.full(40, 100.0), noise=0.5, background=0.0, size=44)
    rest = dense_images(outside, np.full(26, 100.0), series.angles, (44, 44), 0.4, PointSpread((0.4,)))
    without = fit(series, displaced(inside, 0.1), halo="fixed", **QUIET)
    result = fit(series, displaced(inside, 0.1), halo="fixed", background_images=rest, **QUIET)
    assert rmsd_pm(result.model.positions, inside) < 1.3 * result.bound_pm
    assert result.r_factor_after < 0.5 * without.r_factor_after
    assert result.noise_sigma == pytest.approx(0.5, rel=0.05)


def test_false_atoms_are_weak_and_nothing_is_nan():
    true = particle(20)
    series = series_of(true, np.full(20, 300.0), size=48)
    false = np.array([[7.0, 0.5, 0.3], [true[0, 0] + 0.3, *true[0, 1:]], [30.0, 40.0, 0.0]])
    start = AtomicModel(np.concatenate([displaced(true, 0.05).positions, false]))
    result = fit(series, start, intensities="atom", halo="fixed", **QUIET)
    model = result.model
    assert np.isfinite(model.positions).all()
    assert np.isfinite(model.covariance).all()
    assert np.isfinite(model.intensities).all()
    assert result.flags[20] & AtomFlag.WEAK
    assert result.flags[22] & AtomFlag.OUTSIDE
    np.testing.assert_array_equal(model.positions[22], false[2])
    assert not result.flags[1:20].any()
    np.testing.assert_allclose(np.median(model.intensities[1:20]), 300, rtol=0.05)
    assert (np.linalg.norm(model.positions - start.positions, axis=1) < 1.2 + 1e-9).all()


def test_atoms_that_explain_nothing_are_an_error():
    true = particle(10)
    series = series_of(true, np.full(10, 100.0), size=60)
    with pytest.raises(InputError, match="do not show"):
        fit(series, AtomicModel(true + np.array([0.0, 10.0, 0.0])), **QUIET)
    with pytest.raises(InputError, match="no atoms"):
        fit(series, AtomicModel(np.zeros((0, 3))), **QUIET)
    with pytest.raises(InputError, match="background_images"):
        fit(series, AtomicModel(true), background_images=np.zeros((1, 2, 3)), **QUIET)
    with pytest.raises(ConfigError, match=r"fit\.halo is 'maybe'"):
        fit(series, AtomicModel(true), halo="maybe", **QUIET)
