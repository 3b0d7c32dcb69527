import numpy as np
import pytest
import torch

from pann.refiner.net import sample_at_place
from pann.refiner.patches import PatchDataset, crop, flip_place
from pann.refiner.target import gaussian_atoms


@pytest.fixture
def patches(prepared):
    return PatchDataset([prepared], seed=7, patch=16, length=50, on_particle=0.8)


@pytest.mark.parametrize("start", [[0, 0, 0], [-3, 5, 20], [26, -15, 2], [40, 0, 0]])
def test_crop_is_the_array_inside_and_zero_outside(start):
    array = np.arange(1.0, 28 * 20 * 24 + 1).reshape(28, 20, 24)
    padded = np.pad(array, 20)
    box = tuple(slice(s + 20, s + 36) for s in start)
    expected = np.zeros((16, 16, 16))
    part = padded[box]
    expected[tuple(slice(0, n) for n in part.shape)] = part
    np.testing.assert_array_equal(crop(array, np.array(start), 16), expected.astype(np.float32))


@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_mirrored_volume_and_mirrored_positions_agree(axes, positions):
    """What the augmentation does to arrays is what a mirror of the atoms does: no axis is mixed up."""
    shape = (28, 32, 30)
    heights = np.linspace(0.5, 1.5, len(positions))
    volume = gaussian_atoms(positions, heights, shape, 0.4, 0.5)
    mirrored = positions.copy()
    for axis in axes:  # voxel i becomes n - 1 - i; zero is the voxel n // 2
        mirrored[:, axis] = -positions[:, axis] + (shape[axis] - 1 - 2 * (shape[axis] // 2)) * 0.4
    np.testing.assert_allclose(np.flip(volume, axes), gaussian_atoms(mirrored, heights, shape, 0.4, 0.5), atol=1e-3)


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_global_features_follow_the_mirrored_patch(axes, prepared):
    cube = torch.from_numpy(prepared.pooled.values)[None, None]
    place = prepared.pooled.place(np.array([3, 8, 1]), np.array([19, 24, 17]))
    straight = sample_at_place(cube, torch.from_numpy(place)[None], torch.Size((4, 4, 4)))
    spatial = [axis + 2 for axis in axes]
    mirrored_place = torch.from_numpy(flip_place(place, axes))[None]
    mirrored = sample_at_place(cube.flip(spatial), mirrored_place, torch.Size((4, 4, 4)))
    torch.testing.assert_close(mirrored, straight.flip(spatial))


def test_patches_show_the_particle_and_match_their_target(patches):
    inside = 0
    for index in range(20):
        item = patches[index]
        assert item["patch"].shape == (2, 16, 16, 16)
        assert item["target"].shape == (1, 16, 16, 16)
        inside += bool(item["target"].max() > 0.5)
        both = torch.stack([item["patch"][0].ravel(), item["target"].ravel()])
        if item["target"].std() > 0.05:
            assert torch.corrcoef(both)[0, 1] > 0.8
    assert inside > 12


def test_a_patch_depends_on_seed_and_index_alone(prepared, patches):
    again = PatchDataset([prepared], seed=7, patch=16, length=3, on_particle=0.8)
    other = PatchDataset([prepared], seed=8, patch=16, length=3, on_particle=0.8)
    torch.testing.assert_close(again[41]["patch"], patches[41]["patch"])
    assert any(not torch.equal(other[i]["patch"], patches[i]["patch"]) for i in range(5))
