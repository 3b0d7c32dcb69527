import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pann.core import Volume
from pann.core.geometry import position_to_index
from pann.core.random import generator
from pann.refiner.lattice import bragg_filtered
from pann.refiner.target import gaussian_atoms

SHAPE = (64, 64, 64)
VOXEL = 0.4


def crystal(radius=10.0, bond=2.8):
    """A ball of an fcc crystal in no special orientation, (n, 3) [Å]."""
    cube = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), -1).reshape(-1, 3)
    fcc = cube[cube.sum(1) % 2 == 0] * bond / 2**0.5
    points = Rotation.from_euler("zyx", [23, 41, 12], degrees=True).apply(fcc)
    return points[np.linalg.norm(points, axis=1) < radius]


def noisy(positions, noise, seed=0):
    clean = gaussian_atoms(positions, np.ones(len(positions)), SHAPE, VOXEL, 0.6)
    return Volume(clean + noise * generator(seed, "noise").normal(size=SHAPE).astype(np.float32), VOXEL)


def contrast(values, positions):
    """How far atoms stand above places between, in standard deviations of both."""
    at = values[tuple(np.round(position_to_index(positions, SHAPE, VOXEL)).astype(int).T)]
    shifted = positions + np.array([1.1, 0.8, 0.5])
    between = values[tuple(np.round(position_to_index(shifted, SHAPE, VOXEL)).astype(int).T)]
    return (at.mean() - between.mean()) / np.sqrt((at.var() + between.var()) / 2)


def test_a_lattice_stands_out_of_noise_that_hides_its_atoms():
    positions = crystal()
    volume = noisy(positions, 1.0)
    assert contrast(bragg_filtered(volume), positions) > 2 * contrast(volume.values, positions)


def test_a_missing_atom_shows_as_an_atom_where_the_lattice_wants_one():
    positions = crystal()
    vacant = int(np.argmin(np.linalg.norm(positions, axis=1)))
    periodic = bragg_filtered(noisy(np.delete(positions, vacant, axis=0), 0.3))
    index = tuple(np.round(position_to_index(positions[vacant], SHAPE, VOXEL)).astype(int))
    assert periodic[index] > 2 * periodic[20:44, 20:44, 20:44].std()


def test_hardly_anything_of_noise_passes():
    volume = noisy(np.zeros((0, 3)), 1.0)
    assert bragg_filtered(volume).std() < 0.15 * volume.values.std()


def test_two_grains_pass_side_by_side():
    positions = crystal(12.0)
    turned = Rotation.from_euler("y", 31, degrees=True).apply(positions)
    both = np.concatenate([positions[positions[:, 0] < -1.2], turned[turned[:, 0] > 1.2]])
    periodic = bragg_filtered(noisy(both, 0.7))
    for grain in (both[both[:, 0] < -2], both[both[:, 0] > 2]):
        assert contrast(periodic, grain) > 1.5


@pytest.mark.parametrize("axes", [(0,), (1, 2)])
def test_mirrors_commute_with_the_filter(axes):
    volume = noisy(crystal(), 0.5)
    mirrored = volume.replace(values=np.flip(volume.values, axes))
    np.testing.assert_allclose(
        bragg_filtered(mirrored), np.flip(bragg_filtered(volume), axes), atol=1e-3 * bragg_filtered(volume).max()
    )


def test_the_answer_scales_with_the_volume():
    volume = noisy(crystal(), 0.5)
    louder = volume.replace(values=37 * volume.values)
    np.testing.assert_allclose(bragg_filtered(louder), 37 * bragg_filtered(volume), rtol=1e-3, atol=1e-2)


def test_a_guide_lets_weak_reflections_pass():
    """The volume is too noisy to show its lattice; a clean one of the same crystal says where to look."""
    positions = crystal()
    volume, guide = noisy(positions, 2.5), noisy(positions, 0.0).values
    assert bragg_filtered(volume).std() < 1e-3
    guided = bragg_filtered(volume, 7 * guide)
    assert contrast(guided, positions) > 4 * contrast(volume.values, positions)
    np.testing.assert_allclose(bragg_filtered(volume, guide), guided, rtol=1e-3, atol=1e-3 * guided.max())


def test_a_guide_adds_nothing_that_the_volume_lacks():
    """Only amplitudes of the volume pass: vacuum stays empty, and a guide of noise hardly matters."""
    guide = noisy(crystal(), 0.0).values
    assert not bragg_filtered(Volume(np.zeros(SHAPE, np.float32), VOXEL), guide).any()
    volume = noisy(crystal(), 0.5)
    misled = bragg_filtered(volume, noisy(np.zeros((0, 3)), 1.0, seed=1).values)
    assert np.std(misled - bragg_filtered(volume)) < 0.2 * bragg_filtered(volume).std()
