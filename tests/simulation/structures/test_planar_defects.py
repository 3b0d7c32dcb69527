from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tests.simulation.structures.measures import build, environments, inside, nearest

GOLD = {
    "n_atoms": 900,
    "sites": {"kind": "crystal", "lattice": "fcc"},
    "chemistry": {"kind": "random", "elements": ["Au"]},
    "orientation": "identity",
}
NORMAL = np.ones(3) / 3**0.5


def hcp_planes(recipe: dict[str, Any], index: int) -> np.ndarray:
    """Heights [Å] along [111] of the inner atoms with an hcp environment, one for each plane."""
    model = build(recipe, index)
    kinds = environments(model.positions, model.metadata["bond"])
    inner = inside(model.positions, 4.0)
    assert set(kinds[inner]) <= {"fcc", "hcp"}
    return np.unique(np.round(model.positions[inner & (kinds == "hcp")] @ NORMAL, 2))


def test_a_twin_is_its_own_mirror_image() -> None:
    for index in range(4):
        model = build(GOLD | {"defects": {"twins": 1}}, index)
        kinds = environments(model.positions, model.metadata["bond"])
        plane = model.positions[kinds == "hcp"] @ NORMAL
        assert np.ptp(plane) < 1e-6
        assert len(plane) > 20
        mirrored = model.positions - 2 * ((model.positions @ NORMAL)[:, None] - plane.mean()) * NORMAL
        there = np.linalg.norm(mirrored - model.positions.mean(axis=0), axis=1) < 11
        assert cKDTree(model.positions).query(mirrored[there])[0].max() < 1e-6
        assert set(kinds[inside(model.positions, 4.0)]) == {"fcc", "hcp"}


def test_the_crystal_without_the_twin_is_no_mirror_image() -> None:
    model = build(GOLD)
    assert set(environments(model.positions, model.metadata["bond"])[inside(model.positions, 4.0)]) == {"fcc"}


def test_every_twin_plane_is_one_hcp_layer_and_every_fault_two() -> None:
    spacing = 4.08 / 3**0.5
    for index in range(3):
        assert len(hcp_planes(GOLD | {"defects": {"twins": 1}}, index)) == 1
        fault = hcp_planes(GOLD | {"defects": {"stacking_faults": 1}}, index)
        assert np.diff(fault) == pytest.approx([spacing], abs=0.05)
    model = build(GOLD | {"defects": {"stacking_faults": 3}})
    assert nearest(model.positions).min() == pytest.approx(model.metadata["bond"], abs=1e-6)


def test_twins_of_zinc_blende_keep_all_bonds() -> None:
    recipe = {
        "n_atoms": 900,
        "sites": {"kind": "crystal", "lattice": "InP"},
        "defects": {"twins": 2},
        "orientation": "identity",
    }
    model = build(recipe)
    inner = inside(model.positions, 4.0)
    tree = cKDTree(model.positions)
    for atom in np.flatnonzero(inner):
        bonded = [other for other in tree.query_ball_point(model.positions[atom], 2.7) if other != atom]
        assert len(bonded) == 4
        assert all(model.numbers[other] != model.numbers[atom] for other in bonded)


def test_grains_are_turned_by_the_angle() -> None:
    """A grain boundary with a misorientation of 30° about c: {100} rows of both grains, 30° apart in the plane."""
    defects = {"grains": {"number": 2, "angle": 30, "axis": [0, 0, 1]}}
    model = build(GOLD | {"n_atoms": 1500, "defects": defects}, 1)
    bond, tree = model.metadata["bond"], cKDTree(model.positions)
    angles = []
    for atom in range(len(model)):
        vectors = model.positions[tree.query_ball_point(model.positions[atom], 1.1 * bond)] - model.positions[atom]
        flat = vectors[(np.abs(vectors[:, 2]) < 0.01) & (np.linalg.norm(vectors, axis=1) > 0.1)]
        if len(flat) == 4 and len(vectors) == 13:
            angles.append(np.degrees(np.arctan2(flat[0, 1], flat[0, 0])) % 90)
    values, counts = np.unique(np.round(angles).astype(int), return_counts=True)
    assert len(values) == 2
    assert abs(int(np.diff(values)[0])) in (30, 60)
    assert counts.min() > 50
    assert nearest(model.positions).min() >= 0.8 * bond


def test_grains_of_all_sizes_fill_space() -> None:
    whole, broken = build(GOLD), build(GOLD | {"defects": {"grains": 4}}, 3)
    radii = [np.linalg.norm(model.positions, axis=1).max() for model in (whole, broken)]
    assert len(whole) == len(broken) == 900
    assert radii[1] == pytest.approx(radii[0], rel=0.08)
