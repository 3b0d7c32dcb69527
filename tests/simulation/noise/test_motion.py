"""The particle turns, atoms of its surface move and vanish."""

import numpy as np
import pytest
from ase.build import bulk
from scipy.spatial.distance import pdist

from pann.simulation.noise.surface import surface_atoms
from tests.simulation.noise.scene import ANGLES, MODEL, draw, with_effects


def test_the_surface_of_a_crystal_is_what_it_looks_like() -> None:
    outer, outward = surface_atoms(MODEL.positions)
    norm1 = np.abs(MODEL.positions).sum(axis=1)
    depth = (norm1.max() - norm1) / np.sqrt(3)
    assert depth[outer].max() < 1.2
    flat = np.flatnonzero(depth < 0.1)
    assert np.isin(flat, outer).mean() > 0.95
    assert np.all((outward[flat] * MODEL.positions[flat]).sum(axis=1) > 0)


def test_light_and_heavy_atoms_of_a_compound_count_alike() -> None:
    salt = bulk("CsCl", "cesiumchloride", a=4.1).repeat(7)
    positions = salt.positions - salt.positions.mean(axis=0)
    inside = np.abs(positions).max(axis=1) < 6
    assert not np.isin(np.flatnonzero(inside), surface_atoms(positions)[0]).any()


def test_a_lone_atom_is_at_the_surface() -> None:
    assert surface_atoms(np.zeros((1, 3)))[0].tolist() == [0]


def test_the_particle_turns_rigidly_about_its_middle() -> None:
    drawn = draw(with_effects(particle_rotation={"total": 4.0}))
    assert drawn.displacements is not None
    moved = MODEL.positions + drawn.displacements
    np.testing.assert_allclose(pdist(moved[0]), pdist(MODEL.positions), atol=1e-9)
    np.testing.assert_allclose(moved.mean(axis=1), np.tile(MODEL.positions.mean(axis=0), (len(ANGLES), 1)), atol=1e-9)
    turns = drawn.truth()["particle_rotation"]
    assert np.linalg.norm(turns[-1] - turns[0]) == pytest.approx(4.0)
    np.testing.assert_allclose(turns[len(ANGLES) // 2], 0, atol=1e-12)
    far = np.linalg.norm(MODEL.positions, axis=1).max()
    assert np.linalg.norm(drawn.displacements[0], axis=1).max() <= far * np.deg2rad(2.0) + 1e-9


def test_atoms_of_the_surface_jump_once_and_outwards() -> None:
    drawn = draw(with_effects(moving_atoms={"share": 0.3, "distance": [0.2, 0.5]}))
    truth, outer = drawn.truth(), surface_atoms(MODEL.positions)[0]
    moved = truth["moved_atoms"]
    assert np.isin(moved, outer).all()
    assert len(moved) == pytest.approx(0.3 * len(outer), abs=1)
    assert drawn.displacements is not None
    length = np.linalg.norm(drawn.displacements, axis=2)
    assert np.all(length[0] == 0)
    assert np.all(length[:, np.setdiff1d(np.arange(len(MODEL)), moved)] == 0)
    assert np.all((length[-1, moved] >= 0.2) & (length[-1, moved] <= 0.5))
    for atom, first in zip(moved, truth["moved_from"], strict=True):
        assert np.flatnonzero(length[:, atom])[0] == first
        assert np.ptp(length[first:, atom]) < 1e-9
    radial = (drawn.displacements[-1] * MODEL.positions).sum(axis=1)[moved]
    assert np.mean(radial > 0) > 0.9


def test_vanished_atoms_are_absent_from_then_on() -> None:
    drawn = draw(with_effects(vanishing_atoms={"share": 0.1}))
    gone, first = drawn.truth()["vanished_atoms"], drawn.truth()["vanished_from"]
    assert drawn.present is not None
    assert drawn.present[0].all()
    assert np.flatnonzero(~drawn.present[-1]).tolist() == gone.tolist()
    assert len(gone) == pytest.approx(0.1 * len(MODEL), abs=1)
    assert np.isin(gone, surface_atoms(MODEL.positions)[0]).all()
    np.testing.assert_array_equal(drawn.present[:, gone].sum(axis=0), first)


def test_one_atom_is_always_left() -> None:
    lone = MODEL.select([0])
    drawn = with_effects(vanishing_atoms={"share": 1.0}).draw(0, 0, lone, ANGLES, (8, 8), 0.4)
    assert drawn.present is None


def test_nothing_changes_during_a_single_image() -> None:
    effects = with_effects(
        vanishing_atoms={"share": 0.5}, moving_atoms={"share": 1.0, "distance": 0.5}, particle_rotation={"total": 5.0}
    )
    drawn = draw(effects, angles=np.array([10.0]))
    assert drawn.present is None
    assert drawn.displacements is None
