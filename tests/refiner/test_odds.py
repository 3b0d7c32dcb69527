import numpy as np
import pytest
from scipy.special import expit, logit

from pann.core.random import generator
from pann.refiner.odds import LARGEST_EVIDENCE, PSEUDO_PEERS, UNTRAINED, Odds, peer_evidence


def test_the_fit_finds_the_odds_by_which_candidates_were_drawn():
    rng = generator(2, "candidates")
    heights, evidence, peers = rng.uniform(0.05, 0.95, 8000), rng.normal(0, 6, 8000), rng.normal(0, 2, 8000)
    truth = Odds(1.4, 0.3, 0.6, 0.8)
    drawn = rng.random(8000) < expit(truth(heights, evidence, peers))
    found = Odds.fit(heights, evidence, peers, drawn, np.ones(8000))
    np.testing.assert_allclose(found.row, truth.row, rtol=0.12)


def test_counts_overrule_a_peak_but_not_without_end():
    odds = Odds(1.0, 0.2, 0.0, 0.0)
    nothing = np.zeros(1)
    assert odds([0.9], [0.0], nothing)[0] == pytest.approx(logit(0.9))
    assert odds([0.9], [-20.0], nothing)[0] < 0 < odds([0.1], [20.0], nothing)[0]
    assert odds([0.5], [-1e6], nothing)[0] == pytest.approx(-0.2 * LARGEST_EVIDENCE)


def test_a_sublattice_is_heard_as_a_whole():
    """A hundred weak atoms and a hundred places without one, whose peaks are lower: singly the counts hardly tell."""
    rng = generator(3, "sublattice")
    heights = np.concatenate([rng.normal(0.35, 0.02, 100), rng.normal(0.1, 0.01, 100), np.full(100, 0.8)])
    ratios = np.concatenate([rng.normal(0.25, 0.03, 200), np.full(100, 1.5)])
    evidence = np.concatenate([rng.normal(0.7, 1.2, 100), rng.normal(-0.7, 1.2, 100), np.full(100, 25.0)])
    peers = peer_evidence(heights, ratios, evidence)
    share = 100 / (100 + PSEUDO_PEERS)
    assert peers[:100].mean() == pytest.approx(0.7 * share, abs=0.25)
    assert peers[100:200].mean() == pytest.approx(-0.7 * share, abs=0.25)
    assert peers[:100].min() > 0 > peers[100:200].max()  # their own evidence has either sign
    assert (evidence[:100] < 0).any()
    odds = Odds(1.0, 0.2, 2.0, 0.0)
    assert (odds(heights, evidence, peers)[:100] > odds(heights, evidence, np.zeros(300))[:100]).all()


def test_a_candidate_is_no_peer_of_its_own():
    assert peer_evidence([0.5], [1.0], [30.0])[0] == pytest.approx(0.0, abs=0.01)
    strangers = peer_evidence([0.9, 0.1], [1.5, 0.3], [30.0, -30.0])
    np.testing.assert_allclose(strangers, 0.0, atol=0.01)
    assert peer_evidence([0.5, 0.5], [1.0, 1.0], [1.0, 2.0]) == pytest.approx(np.array([2, 1]) / 6, abs=0.02)


def test_looser_odds_are_those_of_lower_peaks():
    odds = Odds(2.0, 0.2, 0.0, -logit(0.4) * 2.0)  # even at 0.4
    assert odds.loosened(0.4, 1.0) == 0.0
    lower = odds.loosened(0.4, 0.6)
    assert odds([0.24], [0.0], [0.0])[0] == pytest.approx(lower)


def test_the_odds_travel_with_the_network(net):
    assert net.odds.by_counts == net.odds.by_peers == UNTRAINED.by_counts == 0
    net.odds = Odds(1.5, 0.25, 0.75, 0.5)
    np.testing.assert_allclose(net.state_dict()["existence_odds"], [1.5, 0.25, 0.75, 0.5])
