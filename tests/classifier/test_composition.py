import numpy as np
import pytest

from pann.classifier.composition import composition_of, match_composition
from pann.core import ConfigError
from pann.core.random import generator


def posteriors(prior, n=4000, seed=1):
    """Atoms of a mixture of two Gaussians with shares `prior`, and what a classifier trained on equal shares says."""
    rng = generator(seed, "prior")
    label = (rng.random(n) < prior[1]).astype(int)
    x = rng.normal(label * 1.5, 1.0)
    odds = np.exp(1.5 * x - 1.5**2 / 2)
    return label, np.stack([1 / (1 + odds), odds / (1 + odds), np.zeros(n)], axis=1)


def test_a_known_composition_is_met_and_helps():
    label, chances = posteriors([0.9, 0.1])
    matched = match_composition(chances, np.array([0.9, 0.1]))
    assert matched[:, :2].mean(0) == pytest.approx([0.9, 0.1], abs=1e-4)
    assert matched.sum(1) == pytest.approx(1.0)
    before, after = ((c[:, :2].argmax(1) == label).mean() for c in (chances, matched))
    assert after > before + 0.05


def test_the_weights_are_those_of_the_prior():
    _, chances = posteriors([0.9, 0.1], n=20000)
    matched = match_composition(chances, np.array([0.9, 0.1]))
    odds = matched[:, 1] / matched[:, 0] / (chances[:, 1] / chances[:, 0])
    assert odds == pytest.approx(np.full(len(odds), 1 / 9), rel=0.1)


def test_whether_there_is_an_atom_is_left_alone():
    chances = np.array([[0.3, 0.3, 0.4], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    matched = match_composition(chances, np.array([0.5, 0.5]))
    assert matched[:, 2] == pytest.approx(chances[:, 2])
    assert (match_composition(chances[2:], np.array([0.5, 0.5])) == chances[2:]).all()


def test_amounts_by_symbol():
    assert composition_of({"Co": 1, "Pt": 3}, [78, 27]).tolist() == [0.75, 0.25]
    for given, message in (({"Co": 1}, "one amount for each"), ({"Co": 1, "Pt": 0}, "positive")):
        with pytest.raises(ConfigError, match=message):
            composition_of(given, [27, 78])
