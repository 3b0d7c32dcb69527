import numpy as np
import torch

from pann.core.random import generator
from pann.refiner.error_bars import KNOTS, ErrorBars


def test_errors_that_fall_with_the_height_are_found_along_each_axis():
    rng = generator(1, "bars")
    heights = rng.uniform(0.4, 1.0, 6000)
    sigmas = np.exp(-4 * (heights - 0.4))[:, None] * [0.2, 0.2, 0.4]
    bars = ErrorBars.fit(heights, rng.normal(0, sigmas))
    asked = np.array([0.5, 0.7, 0.9])
    expected = np.exp(-4 * (asked - 0.4))[:, None] * [0.2, 0.2, 0.4]
    found = np.sqrt(np.diagonal(bars.covariance(asked), axis1=1, axis2=2))
    np.testing.assert_allclose(found, expected, rtol=0.12)
    normalised = rng.normal(0, sigmas) / np.sqrt(np.diagonal(bars.covariance(heights), axis1=1, axis2=2))
    assert 0.9 < normalised.var() < 1.1


def test_beyond_its_ends_the_curve_is_flat_and_few_atoms_make_none():
    bars = ErrorBars(np.array([0.4, 0.8]), np.array([[0.3, 0.3, 0.3], [0.1, 0.1, 0.1]]))
    np.testing.assert_allclose(bars.covariance(np.array([0.1, 2.0]))[:, 0, 0], [0.09, 0.01])
    assert ErrorBars.fit(np.ones(KNOTS), np.ones((KNOTS, 3))) is None


def test_error_bars_travel_with_the_network(net):
    rng = generator(2, "bars")
    bars = ErrorBars.fit(rng.uniform(0.3, 1, 100), rng.normal(0, 0.1, (100, 3)))
    net.error_bars = bars
    assert net.state_dict()["position_errors"].shape == (4, KNOTS)
    torch.testing.assert_close(net.error_bars.rows, bars.rows)
