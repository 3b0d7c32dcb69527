"""Matching is one-to-one and closest first; scores agree with counting by hand and with the outside definition."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pann.core import AtomicModel, InputError
from pann.metrics import distances_to_found, match, registration_shift, score


def particle(n: int, seed: int, spacing: float = 2.5) -> np.ndarray:
    """Jittered cubic lattice (n³, 3) [Å]: no two atoms closer than about a bond."""
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3) * spacing
    return grid + np.random.default_rng(seed).uniform(-0.3, 0.3, size=grid.shape)


def test_each_true_atom_has_the_distance_of_what_was_found_of_it() -> None:
    true = particle(3, seed=2)
    moved = np.random.default_rng(5).normal(0, 0.1, true.shape)
    moved -= moved.mean(axis=0)  # nothing to register
    kept = np.arange(1, len(true))[::-1]
    distances = distances_to_found((true + moved - moved[kept].mean(axis=0))[kept], true, 1.0, centre=False)
    assert math.isnan(distances[0])
    np.testing.assert_allclose(distances[1:], np.linalg.norm(moved - moved[kept].mean(axis=0), axis=1)[1:], atol=1e-3)
    assert np.isnan(distances_to_found(np.zeros((0, 3)), true, 1.0)).all()


def test_the_closest_two_atoms_are_a_pair() -> None:
    pairs = match([[0, 0, 0], [0.6, 0, 0]], [[0.5, 0, 0], [9, 0, 0]], radius=1.0)
    np.testing.assert_array_equal(pairs, [[1, 0]])


def test_the_radius_is_inclusive_and_rows_are_ordered_by_distance() -> None:
    found = [[0, 0, 0], [5, 0, 0], [9, 0, 0]]
    pairs = match(found, [[0, 0, 0.5], [5, 0, 0.25], [9, 0, 0.75]], radius=0.5)
    np.testing.assert_array_equal(pairs, [[1, 1], [0, 0]])


def test_nothing_matches_nothing() -> None:
    assert match(np.zeros((0, 3)), np.zeros((4, 3)), 1.0).shape == (0, 2)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan])
def test_refuses_a_radius_that_is_none(radius: float) -> None:
    with pytest.raises(InputError, match="radius"):
        match(np.zeros((1, 3)), np.zeros((1, 3)), radius)


@given(seed=st.integers(0, 50), shift=st.floats(-40, 40), sigma=st.floats(0.0, 0.15))
def test_scores_do_not_depend_on_the_origin(seed: int, shift: float, sigma: float) -> None:
    true = particle(3, seed)
    found = true + np.random.default_rng(seed).normal(scale=sigma, size=true.shape)
    here, there = (score(AtomicModel(found + by), AtomicModel(true)) for by in (0.0, shift))
    assert here["matched"] == there["matched"]
    assert here["rmsd_pm"] == pytest.approx(there["rmsd_pm"], abs=0.02)


@given(seed=st.integers(0, 50), radius=st.floats(0.1, 4.0))
def test_matching_is_one_to_one_and_symmetric(seed: int, radius: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 6, size=(20, 3)), rng.uniform(0, 6, size=(15, 3))
    pairs = match(a, b, radius)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    assert np.all(np.linalg.norm(a[pairs[:, 0]] - b[pairs[:, 1]], axis=1) <= radius)
    assert {tuple(pair) for pair in match(b, a, radius)} == {(j, i) for i, j in pairs}


def test_rmsd_of_known_noise() -> None:
    true = particle(12, 0)
    found = true + np.random.default_rng(1).normal(size=true.shape) * [0.1, 0.05, 0.2]
    result = score(AtomicModel(found), AtomicModel(true))
    np.testing.assert_allclose(result["rmsd_axes_pm"], [10, 5, 20], rtol=0.05)
    assert result["rmsd_pm"] == pytest.approx(math.hypot(*result["rmsd_axes_pm"]))
    np.testing.assert_allclose(result["shift"], 0, atol=0.03)


def test_counts_and_elements_by_hand() -> None:
    true = AtomicModel([[0, 0, 0], [3, 0, 0], [6, 0, 0], [9, 0, 0]], [78, 78, 28, 28])
    found = AtomicModel([[0, 0, 0.1], [3, 0, 0], [6, 0, 0], [20, 0, 0], [30, 0, 0]], [78, 28, 28, 28, 28])
    result = score(found, true, register=False)
    assert (result["n_pred"], result["n_gt"], result["matched"]) == (5, 4, 3)
    assert (result["recovery"], result["precision"]) == (0.75, 0.6)
    assert result["rmsd_pm"] == pytest.approx(10 / math.sqrt(3))
    assert (result["species_acc"], result["correct_frac"]) == (pytest.approx(2 / 3), 0.5)
    assert result["confusion"] == {"Ni": {"Ni": 1}, "Pt": {"Ni": 1, "Pt": 1}}


def test_elements_are_scored_only_where_both_models_name_them() -> None:
    known, unknown = AtomicModel([[0, 0, 0]], [78]), AtomicModel([[0, 0, 0]])
    assert "species_acc" not in score(unknown, known)
    assert "species_acc" not in score(known, known, species=False)
    assert score(unknown, known, species=True)["species_acc"] == 0


def test_a_box_counts_the_atoms_inside_and_matches_across_its_walls() -> None:
    true = AtomicModel([[0, 0, 0], [2.95, 0, 0], [6, 0, 0]])
    found = AtomicModel([[0, 0, 0], [3.05, 0, 0], [1.5, 0, 0], [50, 0, 0]])
    result = score(found, true, register=False, inside=[[-1, -1, -1], [3, 1, 1]])
    assert (result["n_pred"], result["n_gt"], result["matched"]) == (2, 2, 2)
    assert (result["recovery"], result["precision"]) == (1.0, 0.5)
    with pytest.raises(InputError, match="none of the 3 atoms"):
        score(found, true, inside=[[90, 90, 90], [91, 91, 91]])
    with pytest.raises(InputError, match="lower corner first"):
        score(found, true, inside=[[1, 1, 1], [0, 0, 0]])


def test_an_extended_object_is_registered_without_its_centroid() -> None:
    everything = particle(6, 2)
    part = everything[everything[:, 0] < 5]
    shift = registration_shift(everything + 0.1, part, 1.0, centre=False)
    np.testing.assert_allclose(shift, -0.1, atol=1e-9)


def test_models_without_atoms() -> None:
    empty, one = AtomicModel(np.zeros((0, 3))), AtomicModel([[0, 0, 0]])
    result = score(empty, one)
    assert (result["recovery"], result["precision"]) == (0, 0)
    assert math.isnan(result["rmsd_pm"])
    with pytest.raises(InputError, match="no atoms"):
        score(one, empty)
    far = score(one, AtomicModel([[50, 0, 0]]), register=False, species=True)
    assert far["matched"] == 0
    assert math.isnan(far["species_acc"])


def outside_definition(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("outside_score", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.public_data
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("register", [True, False])
def test_agrees_with_the_outside_definition(public_tools: Path, seed: int, register: bool) -> None:
    rng = np.random.default_rng(seed)
    true = particle(5, seed, spacing=2.0)
    found = np.concatenate([true[rng.uniform(size=len(true)) < 0.8], rng.uniform(0, 10, size=(20, 3))])
    found = found + rng.normal(scale=0.05 * (1 + seed), size=found.shape) + rng.normal(size=3)
    numbers = rng.choice([28, 78], size=len(true)), rng.choice([28, 78], size=len(found))
    radius = 0.5 + 0.1 * seed
    expected = outside_definition(public_tools / "score.py").score(
        found, true, numbers[1], numbers[0], cutoff=radius, register=register
    )
    result = score(AtomicModel(found, numbers[1]), AtomicModel(true, numbers[0]), radius, register)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-9, nan_ok=True), name
