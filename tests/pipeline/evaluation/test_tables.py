"""Pooling and ratios against counting by hand."""

import math

import pytest

from pann.pipeline.evaluation import NETWORK_FREE, Pooled, comparison_tables
from pann.pipeline.evaluation.comparison import COLUMNS


def row(arm: str, series: str = "a", dose: int = 50, stage: str = "trace", **values: float) -> dict[str, str]:
    """A row of 100 true atoms, 60 of them on the surface, of which 80 were found with an error of 30 pm."""
    numbers: dict[str, object] = dict.fromkeys(COLUMNS, "")
    numbers |= {"series": series, "every": 1, "limit_deg": 90, "dose": dose, "seed": 0, "arm": arm, "settings": "s"}
    numbers |= {"stage": stage, "n_true": 100, "n_found": 90, "matched": 80, "missed": 20, "false": 10}
    numbers |= {"inner_n_true": 40, "inner_missed": 4, "inner_false": 2}
    numbers |= {"inner_matched": 36, "surface_matched": 44, "variance": 1.1, "inner_variance": 1.0}
    numbers |= {"surface_variance": 1.18}
    numbers |= {"surface_n_true": 60, "surface_missed": 16, "surface_false": 8}
    numbers |= {"rmsd_pm": 30.0, "rmsd_x_pm": 10.0, "rmsd_z_pm": 20.0}
    numbers |= {"bound_pm": 12.0, "bound_x_pm": 6.0, "bound_z_pm": 9.0}
    return {name: str(value) for name, value in (numbers | values).items()}


def test_atoms_count_once_whichever_series_they_are_of() -> None:
    other = {"n_true": 300, "n_found": 240, "matched": 240, "missed": 60, "false": 0, "rmsd_pm": 10.0}
    other |= {"inner_n_true": 100, "inner_missed": 0, "inner_false": 0}
    other |= {"surface_n_true": 200, "surface_missed": 60, "surface_false": 0, "variance": 1.5}
    pooled = Pooled.of([row("x"), row("x", series="b", **other)])
    assert pooled.wrong == pytest.approx((90 / 4, 6 / 1.4, 84 / 2.6))
    assert pooled.recovery == pytest.approx(320 / 400)
    assert pooled.precision == pytest.approx(320 / 330)
    assert pooled.rmsd_pm == pytest.approx(math.sqrt((80 * 900 + 240 * 100) / 320))
    assert (pooled.elongation, pooled.bound_elongation) == pytest.approx((2, 1.5))
    assert pooled.variance == pytest.approx(((80 * 1.1 + 240 * 1.5) / 320, 1.0, 1.18))
    assert pooled.refused is None


def test_a_case_in_which_nothing_was_found_weighs_nothing_in_the_rmsd() -> None:
    nothing = dict.fromkeys(("rmsd_pm", "rmsd_x_pm", "rmsd_z_pm"), math.nan)
    lost = row("x", series="b", n_found=0, matched=0, missed=100, false=0, **nothing)
    assert Pooled.of([row("x"), lost]).rmsd_pm == pytest.approx(30)
    assert math.isnan(Pooled.of([lost]).rmsd_pm)


def test_without_error_bars_there_is_no_variance() -> None:
    bare = dict.fromkeys(("variance", "inner_variance", "surface_variance"), math.nan)
    text = comparison_tables([row("x", **bare)], [("x", "s")])
    assert "| - | - |" in text
    assert "nan" not in text


def test_ratios_are_to_the_network_free_arm_on_the_same_cases() -> None:
    better = row("net", missed=5, false=10, inner_missed=1, surface_missed=4, rmsd_pm=15.0)
    better["images_choose"] = "raw"
    better["errors_pm"] = "10 20 - 60"
    alone = row(NETWORK_FREE, dose=200)
    free = row(NETWORK_FREE) | {"errors_pm": "30 40 10 -"}
    text = comparison_tables([free, better, alone], [(NETWORK_FREE, "s"), ("net", "s")])
    lines = [line for line in text.splitlines() if line.startswith("| 50 ")]
    assert len(lines) == 2
    assert lines[0].endswith("| - | - | - | - | - | - |")
    assert lines[1].endswith("| 1 | 0.50 | 0.50 | 0.50 | 0.50 | 0.45 |")  # √(10² + 20²) / √(30² + 40²)
    assert "| 200 " not in text
    assert "likelihood fit\n" not in text


def test_every_line_has_the_columns_of_its_head() -> None:
    for arms in ([(NETWORK_FREE, "s")], [("net", "s")], [(NETWORK_FREE, "s"), ("net", "s")]):
        text = comparison_tables([row(name) for name, _ in arms], arms)
        assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_rows_of_other_settings_are_left_out() -> None:
    assert comparison_tables([row("net")], [("net", "other")]).startswith("No case is complete")
