import numpy as np
import pytest
from scipy.special import expit, logit

from pann.core.random import generator
from pann.refiner.odds import LARGEST_EVIDENCE, UNTRAINED, Odds


def test_the_fit_finds_the_odds_by_which_candidates_were_drawn():
    rng = generator(2, "candidates")
    heights, evidence = rng.uniform(0.05, 0.95, 8000), rng.normal(0, 6, 8000)
    truth = Odds(1.4, 0.3, 0.8)
    drawn = rng.random(8000) < expit(truth(heights, evidence))
    found = Odds.fit(heights, evidence, drawn, np.ones(8000))
    np.testing.assert_allclose(found.row, truth.row, rtol=0.12)


def test_counts_overrule_a_peak_but_not_without_end():
    odds = Odds(1.0, 0.2, 0.0)
    assert odds([0.9], [0.0])[0] == pytest.approx(logit(0.9))
    assert odds([0.9], [-20.0])[0] < 0 < odds([0.1], [20.0])[0]
    assert odds([0.5], [-1e6])[0] == pytest.approx(-0.2 * LARGEST_EVIDENCE)


def test_looser_odds_are_those_of_lower_peaks():
    odds = Odds(2.0, 0.2, -logit(0.4) * 2.0)  # even at 0.4
    assert odds.loosened(0.4, 1.0) == 0.0
    lower = odds.loosened(0.4, 0.6)
    assert odds([0.24], [0.0])[0] == pytest.approx(lower)


def test_the_odds_travel_with_the_network(net):
    assert net.odds.by_counts == UNTRAINED.by_counts == 0
    net.odds = Odds(1.5, 0.25, 0.5)
    np.testing.assert_allclose(net.state_dict()["existence_odds"], [1.5, 0.25, 0.5])
