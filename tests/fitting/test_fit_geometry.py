"""Tilt angles refined together with the atoms: rotations, their gauge, and their recovery."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pann.core import PointSpread
from pann.core.geometry import rotation_matrices
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.turns import euler_angles, gauge_free, rigid_motions, turn_matrices
from tests.fitting.fit_scene import dense_images, displaced, particle, rmsd_pm, series_of


def test_turns_are_rotations_about_their_vector():
    vectors = generator(0, "turns").normal(scale=0.4, size=(5, 3))
    expected = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(turn_matrices(torch.tensor(vectors)).numpy(), expected, atol=1e-12)


def test_euler_angles_invert_the_rotation_near_the_nominal_ones():
    nominal = np.array([[0.0, -70.0, 0.0], [2.0, 120.0, -1.0], [0.0, 177.0, 0.0], [1.0, 90.0, 2.0], [-3.0, 0.0, 3.0]])
    changed = nominal + generator(1, "angles").uniform(-0.5, 0.5, nominal.shape)
    np.testing.assert_allclose(euler_angles(rotation_matrices(changed), nominal), changed, atol=1e-9)
    np.testing.assert_array_equal(euler_angles(rotation_matrices(nominal), nominal), nominal)


def test_a_rotation_of_the_particle_is_no_turn():
    rotations = torch.tensor(rotation_matrices(np.linspace(-70, 70, 9)))
    common = torch.einsum("tij,j->ti", rotations, torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64))
    assert gauge_free(common, rotations).abs().max() < 1e-12
    points = torch.tensor(particle(12))
    motions = rigid_motions(points, True, True)
    assert motions.shape == (36, 6)
    # motions keep all distances to first order
    moves = motions.T.reshape(6, 12, 3)
    between, change = points[:, None] - points, moves[:, :, None] - moves[:, None]
    assert (between * change).sum(-1).abs().max() < 1e-12


@pytest.fixture(scope="module")
def turned():
    """A series whose true angles differ from the nominal ones by up to 2° in all three Euler angles."""
    rng, true = generator(4, "wrong"), particle(60)
    nominal = np.stack([np.zeros(15), np.linspace(-70, 70, 15), np.zeros(15)], 1)
    angles = nominal + rng.uniform(-2, 2, nominal.shape)
    images = dense_images(true, np.full(60, 1500.0), angles, (56, 56), 0.4, PointSpread((0.4,)))
    series = series_of(true, np.full(60, 1500.0), size=56).replace(images=rng.poisson(0.3 + images))
    return true, angles, series, fit(series, displaced(true, 0.15), angles=True, halo="fixed", progress=False)


def test_wrong_angles_are_recovered_up_to_a_rotation_of_the_particle(turned):
    true, angles, series, result = turned
    centre = true.mean(0), result.model.positions.mean(0)
    rotation, _ = Rotation.align_vectors(result.model.positions - centre[1], true - centre[0])
    # R_t Q = R_t(true): the refined rotations undo that of the particle
    refined = rotation_matrices(result.angles) @ rotation.as_matrix()
    error = Rotation.from_matrix(refined @ rotation_matrices(angles).transpose(0, 2, 1)).magnitude()
    before = Rotation.from_matrix(series.rotations @ rotation_matrices(angles).transpose(0, 2, 1)).magnitude()
    assert np.rad2deg(np.sqrt((before**2).mean())) > 1.5
    assert np.rad2deg(np.sqrt((error**2).mean())) < 0.15
    assert result.converged


def test_atoms_reach_the_bound_of_the_joint_fit(turned):
    true, _, series, result = turned
    centred = result.model.positions - result.model.positions.mean(0)
    rotation, _ = Rotation.align_vectors(true - true.mean(0), centred)
    assert 0.85 < rmsd_pm(rotation.apply(centred), true - true.mean(0)) / result.bound_pm < 1.15
    known = fit(series.replace(angles=result.angles), result.model, halo="fixed", progress=False)
    assert known.bound_pm < result.bound_pm


def test_sampled_and_full_covariance_agree_with_free_angles_and_shifts(turned):
    _, _, series, result = turned
    options = {"angles": True, "shifts": True, "halo": "fixed", "progress": False}
    start = series.replace(angles=result.angles)
    full, blocks = (fit(start, result.model, covariance=kind, **options) for kind in ("full", "blocks"))
    assert blocks.bound_pm == pytest.approx(full.bound_pm, rel=0.03)
