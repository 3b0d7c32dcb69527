import numpy as np
import pytest

from pann.refiner.cases import FACTS, case_of, gathered, mean_scores, xz_slice


def test_a_row_says_what_the_sample_is(example):
    case = case_of(example, {"input/f1": 0.5})
    assert set(case) == {*FACTS, "input/f1"}
    assert case["largest_tilt"] == 60
    assert (case["tilts"], case["atoms"], case["dose"]) == (9, 12, 100)


def test_the_slice_is_across_the_tilt_axis():
    values = np.zeros((5, 7, 9))
    values[1, 3, 8] = 2.0
    plane = xz_slice(values)
    assert plane.shape == (5, 9)
    assert plane[1, 8] == plane.sum() == 2.0


def test_means_are_over_all_samples_and_over_those_of_a_dose():
    facts = {"name": "a", "largest_tilt": 65.0, "tilts": 9, "atoms": 12}
    cases = [
        {**facts, "dose": 50.0, "mse": 1.0, "refined/f1": 0.2},
        {**facts, "dose": 60.0, "mse": 2.0, "refined/f1": 0.4, "refined/rmsd_pm": 10.0},
        {**facts, "dose": 200.0, "mse": 6.0, "refined/f1": 0.9, "refined/rmsd_pm": 30.0},
    ]
    assert mean_scores(cases, [0, 100, 400]) == pytest.approx(
        {
            "mse": 3.0,
            "refined/f1": 0.5,
            "refined/rmsd_pm": 20.0,
            "refined/dose_0-100/f1": 0.3,
            "refined/dose_100-400/f1": 0.9,
            "refined/dose_0-100/rmsd_pm": 10.0,
            "refined/dose_100-400/rmsd_pm": 30.0,
        }
    )


def test_processes_are_put_together_in_the_order_of_the_samples_without_the_padding(monkeypatch):
    """Three samples on two processes: Lightning deals 0, 2 to one and 1, 0 to the other."""
    rows = [{"name": name} for name in "abc"]
    parts = [[rows[0], rows[2]], [rows[1], rows[0]]]

    def exchange(into, own):
        assert own is parts[0]
        into[:] = parts

    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_gather_object", exchange)
    assert gathered(parts[0], 3) == rows


def test_a_single_process_keeps_its_rows():
    rows = [{"name": "a"}, {"name": "b"}]
    assert gathered(rows, 2) is rows
