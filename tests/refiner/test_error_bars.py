import numpy as np
import pytest
import torch

from pann.core.random import generator
from pann.refiner.error_bars import KNOTS, ErrorBars
from pann.refiner.lattices.crystals import HARDLY_SURE, NOISE


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_errors_that_fall_with_height_and_score_are_found_along_each_axis(slope):
    rng = generator(1, "bars")
    heights, scores = rng.uniform(0.4, 1.0, 6000), HARDLY_SURE * rng.choice([1, 10, 30], 6000)
    sigmas = np.exp(-4 * (heights - 0.4))[:, None] * [0.2, 0.2, 0.4] * (scores / HARDLY_SURE)[:, None] ** -slope
    bars = ErrorBars.fit(heights, scores, rng.normal(0, sigmas))
    assert bars.slope == pytest.approx(slope, abs=0.01)
    asked = np.array([0.5, 0.7, 0.9])
    for score in (HARDLY_SURE, 20 * HARDLY_SURE):
        expected = np.exp(-4 * (asked - 0.4))[:, None] * [0.2, 0.2, 0.4] * (score / HARDLY_SURE) ** -slope
        found = np.sqrt(np.diagonal(bars.covariance(asked, score), axis1=1, axis2=2))
        np.testing.assert_allclose(found, expected, rtol=0.15)


def test_beyond_its_ends_the_curve_is_flat_and_few_atoms_make_none():
    bars = ErrorBars(np.array([0.4, 0.8]), np.array([[0.3, 0.3, 0.3], [0.1, 0.1, 0.1]]))
    np.testing.assert_allclose(bars.covariance(np.array([0.1, 2.0]), 5.0)[:, 0, 0], [0.09, 0.01])
    assert ErrorBars.fit(np.ones(KNOTS), np.ones(KNOTS), np.ones((KNOTS, 3))) is None


def test_a_lattice_within_noise_is_none():
    bars = ErrorBars(np.array([0.4, 0.8]), np.array([[0.3, 0.3, 0.3], [0.1, 0.1, 0.1]]), slope=0.5)
    heights = np.array([0.6])
    np.testing.assert_array_equal(bars.covariance(heights, 0.0), bars.covariance(heights, NOISE))
    sure, unit = (bars.covariance(heights, factor * HARDLY_SURE) for factor in (4, 1))
    np.testing.assert_allclose(sure, 0.25 * unit)


def test_error_bars_travel_with_the_network(net):
    rng = generator(2, "bars")
    heights, scores = rng.uniform(0.3, 1, 100), rng.uniform(0, 100, 100)
    bars = ErrorBars.fit(heights, scores, rng.normal(0, 0.1 * (1 + scores[:, None]) ** -0.2, (100, 3)))
    net.error_bars = bars
    assert net.state_dict()["position_errors"].shape == (4, KNOTS)
    torch.testing.assert_close(net.error_bars.rows, bars.rows)
    assert net.error_bars.slope == pytest.approx(bars.slope)


def test_weights_of_before_have_error_bars_without_a_lattice(net):
    older = {name: value for name, value in net.state_dict().items() if name != "position_errors_slope"}
    net.position_errors_slope.fill_(0.2)
    net.load_state_dict(older)
    assert net.error_bars.slope == 0
