import numpy as np
import pytest

from pann.refiner.scoring import atom_scores, dose_label
from pann.refiner.target import DENSITY, gaussian_atoms
from pann.tracing import trace


def traced(volume, threshold=0.3, max_atoms=None):
    return trace(volume, min_distance=1.8, threshold=threshold, max_atoms=max_atoms)


def test_the_target_itself_gives_every_atom(prepared):
    scores = atom_scores(prepared.target[DENSITY], prepared.example, traced, 1.0)
    assert scores["recovery"] == scores["precision"] == scores["recovery_at_n"] == pytest.approx(1.0)
    assert scores["rmsd_pm"] < 2


def test_missing_and_false_atoms_are_told_apart(example):
    heights = example.heights.copy()
    heights[:3] = 0
    positions = np.vstack([example.positions, [[4.0, 4.2, -4.0]]])
    values = gaussian_atoms(positions, [*heights, 1.0], example.values.shape, 0.4, 0.5)
    scores = atom_scores(values, example, traced, 1.0)
    assert scores["recovery"] == pytest.approx(9 / 12)
    assert scores["precision"] == pytest.approx(9 / 10)


@pytest.mark.parametrize(("dose", "label"), [(30, "dose_0-100"), (100, "dose_100-400"), (1e9, "dose_other")])
def test_dose_bins(dose, label):
    assert dose_label(dose, [0, 100, 400]) == label
