import numpy as np
import pytest

from pann.fitting.elements import bayes_accuracy, bayes_error


@pytest.mark.parametrize("gap", [0.5, 1.0, 4.0])
def test_two_equal_elements_are_confused_as_the_closed_form_says(gap):
    accuracy = bayes_accuracy(np.full(10, 2.0), np.arange(10) % 2, [5.0, 5.0 + 2.0 * gap])
    assert 1 - accuracy.mean() == pytest.approx(float(bayes_error(gap)), abs=2e-3)


def test_the_composition_is_known_and_more_candidates_are_harder():
    rare = np.zeros(100, int)
    rare[:5] = 1
    accuracy = bayes_accuracy(np.full(100, 10.0), rare, [1.0, 2.0])
    assert accuracy.mean() == pytest.approx(0.95)
    three = bayes_accuracy(np.full(9, 1.0), np.arange(9) % 3, [0.0, 2.0, 4.0])
    two = bayes_accuracy(np.full(8, 1.0), np.arange(8) % 2, [0.0, 2.0])
    assert three.mean() < two.mean()
