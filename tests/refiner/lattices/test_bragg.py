import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pann.core.geometry import position_to_index
from pann.refiner.lattices.bragg import bragg_filtered
from tests.refiner.lattices.scenes import SHAPE, VOXEL, crystal, noisy


def periodic(volume):
    return bragg_filtered(torch.from_numpy(volume.values.astype(np.float32)), VOXEL).numpy()


def contrast(values, positions):
    """How far atoms stand above places between, in standard deviations of both."""
    at = values[tuple(np.round(position_to_index(positions, SHAPE, VOXEL)).astype(int).T)]
    shifted = positions + np.array([1.1, 0.8, 0.5])
    between = values[tuple(np.round(position_to_index(shifted, SHAPE, VOXEL)).astype(int).T)]
    return (at.mean() - between.mean()) / np.sqrt((at.var() + between.var()) / 2)


def test_a_lattice_stands_out_of_noise_that_hides_its_atoms():
    positions = crystal()
    volume = noisy(positions, 1.0)
    assert contrast(periodic(volume), positions) > 2 * contrast(volume.values, positions)


def test_a_missing_atom_shows_as_an_atom_where_the_lattice_wants_one():
    positions = crystal()
    vacant = int(np.argmin(np.linalg.norm(positions, axis=1)))
    found = periodic(noisy(np.delete(positions, vacant, axis=0), 0.3))
    index = tuple(np.round(position_to_index(positions[vacant], SHAPE, VOXEL)).astype(int))
    assert found[index] > 2 * found[20:44, 20:44, 20:44].std()


def test_hardly_anything_of_noise_passes():
    volume = noisy(np.zeros((0, 3)), 1.0)
    assert periodic(volume).std() < 0.15 * volume.values.std()


def test_two_grains_pass_side_by_side():
    positions = crystal(12.0)
    turned = Rotation.from_euler("y", 31, degrees=True).apply(positions)
    both = np.concatenate([positions[positions[:, 0] < -1.2], turned[turned[:, 0] > 1.2]])
    found = periodic(noisy(both, 0.7))
    for grain in (both[both[:, 0] < -2], both[both[:, 0] > 2]):
        assert contrast(found, grain) > 1.5


@pytest.mark.parametrize("axes", [(0,), (1, 2)])
def test_mirrors_commute_with_the_filter(axes):
    volume = noisy(crystal(), 0.5)
    mirrored = volume.replace(values=np.flip(volume.values, axes))
    np.testing.assert_allclose(periodic(mirrored), np.flip(periodic(volume), axes), atol=1e-3 * periodic(volume).max())


def test_the_answer_scales_with_the_volume():
    volume = noisy(crystal(), 0.5)
    louder = volume.replace(values=37 * volume.values)
    np.testing.assert_allclose(periodic(louder), 37 * periodic(volume), rtol=1e-3, atol=1e-2)
