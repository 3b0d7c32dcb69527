import pytest

from pann.training.callbacks.curves import curves, variable

EDGES = {"dose": [0, 100, 400], "missing_wedge": [0, 60, 180]}


def case(dose, tilt, atoms, before, after, **more):
    return {
        "dose": dose,
        "largest_tilt": tilt,
        "atoms": atoms,
        "input/recovery": before,
        "refined/recovery": after,
        **more,
    }


def test_the_missing_wedge_is_what_no_tilt_reaches():
    assert variable(case(50, 65, 10, 0, 0), "missing_wedge") == 50
    assert variable(case(50, 90, 10, 0, 0), "missing_wedge") == 0


def test_atoms_of_all_samples_count_alike_and_empty_bins_are_left_out():
    cases = [case(50, 70, 100, 0.5, 0.8), case(60, 70, 300, 0.9, 1.0), case(100, 80, 10, 1.0, 1.0)]
    low, high, wedge = curves(cases, EDGES, ["recovery"])
    assert (low["variable"], low["low"], low["high"], low["samples"], low["atoms"]) == ("dose", 0, 100, 2, 400)
    assert low["mean"] == 55
    assert low["input/recovery"] == pytest.approx(0.8)
    assert low["refined/recovery"] == pytest.approx(0.95)
    assert high["samples"] == 1  # a bin holds its lower edge
    assert (wedge["variable"], wedge["samples"]) == ("missing_wedge", 3)


def test_a_score_counts_where_a_sample_has_it():
    cases = [case(50, 70, 10, 0, 0.1, **{"refined/rmsd_pm": 20.0}), case(50, 70, 90, 0, 0)]
    row = curves(cases, {"dose": [0, 100]}, ["rmsd_pm"])[0]
    assert row["refined/rmsd_pm"] == 20
    assert "input/rmsd_pm" not in row
