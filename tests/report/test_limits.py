"""Tables of decisions and limits say what the summary holds, and nothing where it holds nothing."""

import numpy as np

from pann.report.limits import cross_validation_table, elements_table, existence_table
from pann.report.plan_figure import plan_figure

EXISTENCE = {
    "added": 11,
    "removed": 30,
    "renamed": 1,
    "level": 3.62,
    "keep_level": 3.3,
    "expected_false": 5.0,
    "keep_rate": 0.05,
    "independent": 11545.4,
    "spread": 1.0,
}


def test_nothing_is_shown_of_what_was_not_done() -> None:
    for table in (existence_table, elements_table, cross_validation_table):
        assert table(None) == ""
        assert table({}) == ""


def test_decisions_come_with_their_false_positive_rate() -> None:
    text = existence_table(EXISTENCE)
    for value in (">11<", ">30<", ">3.62<", ">5<", ">0.05<", ">11,545<"):
        assert value in text


def test_elements_and_cross_validation_are_in_percent() -> None:
    text = elements_table({"Ni-Pt": {"bayes_error": 0.0312, "separation_sigmas": 3.73}})
    assert ">Ni-Pt<" in text
    assert ">3.7<" in text
    assert ">3.1 %<" in text
    values = {"r_work": 0.2, "r_free": 0.21, "misfit_work": 0.99, "misfit_free": 1.02, "overfitting": 0.03}
    text = cross_validation_table(values | {"optimism": 0.02, "every": 5})
    assert ">21.00 %<" in text
    assert "one image in 5" in text


def test_the_chart_of_a_plan_draws_every_curve() -> None:
    doses = np.array([100.0, 400.0])
    chances = np.array([0.1, 0.9])
    figure = plan_figure(
        doses, 10 / doses, np.ones((2, 3)), {"Ni": chances, "Pt": chances}, {}, [50, 70, 90], np.ones((3, 3))
    )
    assert [len(ax.lines) for ax in figure.axes] == [4, 2, 0, 3]
    pair = plan_figure(doses, doses, np.ones((2, 3)), {"Ni": chances}, {"Ni-Pt": 1 - chances}, [90], np.ones((1, 3)))
    np.testing.assert_allclose(pair.axes[2].lines[0].get_ydata(), 100 * (1 - chances))
