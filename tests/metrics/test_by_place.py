"""Scores by place: counted by hand, and displacements along known axes."""

import math

import numpy as np
import pytest
from ase.cluster import Octahedron

from pann.core import AtomicModel, InputError
from pann.metrics import score, score_by_place, surface_atoms


@pytest.fixture
def truth() -> AtomicModel:
    """A gold octahedron of 146 atoms about its centre."""
    points = Octahedron("Au", 6).positions
    return AtomicModel(points - points.mean(0), np.full(len(points), 79))


@pytest.fixture
def surface(truth: AtomicModel) -> np.ndarray:
    return surface_atoms(truth.positions)


def test_the_places_add_up_to_the_whole_and_agree_with_the_definition(truth: AtomicModel, surface: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    noisy = truth.positions + rng.normal(scale=0.4, size=truth.positions.shape)
    found = AtomicModel(np.concatenate([noisy[20:], rng.uniform(-9, 9, size=(30, 3))]))
    scores, whole = score_by_place(found, truth, surface), score(found, truth)
    for name in ("n_true", "matched", "missed", "false"):
        assert scores[f"inner_{name}"] + scores[f"surface_{name}"] == scores[name]
    assert scores["matched"] == whole["matched"] < 126
    assert scores["missed"] + scores["matched"] == len(truth)
    assert scores["false"] + scores["matched"] == len(found)
    assert scores["rmsd_pm"] == pytest.approx(whole["rmsd_pm"])
    squares = sum(scores[f"{place}_matched"] * scores[f"{place}_rmsd_pm"] ** 2 for place in ("inner", "surface"))
    assert squares == pytest.approx(scores["matched"] * scores["rmsd_pm"] ** 2)


def test_missed_atoms_belong_to_their_own_place(truth: AtomicModel, surface: np.ndarray) -> None:
    gone = np.zeros(len(truth), bool)
    gone[np.flatnonzero(surface)[:7]] = True
    gone[np.flatnonzero(~surface)[:3]] = True
    scores = score_by_place(truth.select(~gone), truth, surface)
    assert (scores["surface_missed"], scores["inner_missed"], scores["false"]) == (7, 3, 0)
    assert scores["inner_recovery"] == pytest.approx(1 - 3 / (~surface).sum())


def test_false_atoms_belong_to_the_place_of_the_nearest_true_atom(truth: AtomicModel, surface: np.ndarray) -> None:
    tip = truth.positions[np.argmax(truth.positions[:, 0])]
    hole = truth.positions[np.argmin(np.linalg.norm(truth.positions, axis=1))] + [1.2, 0.1, 0.0]
    found = AtomicModel(
        np.concatenate([truth.positions, [tip + np.array([2.0, 0.0, 0.0]), tip + np.array([4.0, 0.0, 0.0]), hole]])
    )
    scores = score_by_place(found, truth, surface)
    assert (scores["surface_false"], scores["inner_false"], scores["missed"]) == (2, 1, 0)
    assert scores["precision"] == pytest.approx(len(truth) / len(found))


def test_errors_along_the_beam_are_elongation(truth: AtomicModel, surface: np.ndarray) -> None:
    """Half of the atoms up and half down, by 0.1 Å along x and y and 0.3 Å along z: no rigid shift can hide it."""
    sign = np.where(np.arange(len(truth)) % 2, 1.0, -1.0)[:, None]
    found = truth.replace(positions=truth.positions + sign * [0.1, 0.1, 0.3])
    scores = score_by_place(found, truth, surface)
    assert [scores[f"rmsd_{axis}_pm"] for axis in "xyz"] == pytest.approx([10, 10, 30])
    assert scores["elongation"] == pytest.approx(3)
    assert scores["surface_rmsd_pm"] == pytest.approx(100 * math.sqrt(0.11))


def test_a_rigid_shift_is_no_error(truth: AtomicModel, surface: np.ndarray) -> None:
    scores = score_by_place(truth.replace(positions=truth.positions + np.array([0.2, 0.1, -0.3])), truth, surface)
    assert scores["missed"] == scores["false"] == 0
    assert scores["rmsd_pm"] == pytest.approx(0, abs=1e-6)


def test_nothing_found_is_everything_missed(truth: AtomicModel, surface: np.ndarray) -> None:
    scores = score_by_place(AtomicModel(np.zeros((0, 3))), truth, surface)
    assert (scores["missed"], scores["false"], scores["recovery"]) == (len(truth), 0, 0)
    assert math.isnan(scores["precision"])
    assert math.isnan(scores["elongation"])
    assert math.isnan(scores["inner_rmsd_pm"])


def test_the_surface_must_be_that_of_the_truth(truth: AtomicModel) -> None:
    with pytest.raises(InputError, match="surface has shape"):
        score_by_place(truth, truth, np.zeros(3, bool))


def test_the_variance_is_one_where_the_error_bars_are_those_of_the_errors(
    truth: AtomicModel, surface: np.ndarray
) -> None:
    sigmas = np.where(surface, 0.12, 0.05)[:, None] * [1.0, 0.8, 1.5]
    errors = np.random.default_rng(5).normal(size=sigmas.shape) * sigmas
    found = AtomicModel(truth.positions + errors, covariance=sigmas[:, :, None] ** 2 * np.eye(3))
    order = np.random.default_rng(6).permutation(len(truth))
    scores = score_by_place(found.select(order), truth, surface, centre=False)
    assert scores["variance"] == pytest.approx((errors**2 / sigmas**2).mean(), rel=0.02)  # the mean shift is taken off
    assert scores["inner_variance"] == pytest.approx(1, abs=0.35)
    assert scores["surface_variance"] == pytest.approx(1, abs=0.25)
    doubled = found.replace(covariance=4 * np.asarray(found.covariance))
    assert score_by_place(doubled, truth, surface, centre=False)["variance"] == pytest.approx(scores["variance"] / 4)
    assert math.isnan(score_by_place(truth, truth, surface)["variance"])
