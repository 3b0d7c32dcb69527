import numpy as np
import pytest
import torch

from pann.refiner.net import sample_at_place
from pann.refiner.patches import Patch, PatchDataset, PatchSource, batch_of, crop, flip_place
from pann.refiner.target import gaussian_atoms


@pytest.fixture
def source(prepared):
    return PatchSource.of(prepared)


@pytest.fixture
def patches(source):
    return PatchDataset([source], seed=7, patch=16, length=50, on_particle=0.8)


@pytest.mark.parametrize("start", [[0, 0, 0], [-3, 5, 20], [26, -15, 2], [40, 0, 0]])
def test_crop_is_the_array_inside_and_zero_outside(start):
    array = np.arange(1.0, 28 * 20 * 24 + 1).reshape(28, 20, 24)
    padded = np.pad(array, 20)
    box = tuple(slice(s + 20, s + 36) for s in start)
    expected = np.zeros((16, 16, 16))
    part = padded[box]
    expected[tuple(slice(0, n) for n in part.shape)] = part
    cube = crop(torch.from_numpy(np.stack([array, -array])), np.array(start), 16)
    np.testing.assert_array_equal(cube.numpy(), np.stack([expected, -expected]).astype(np.float32))


@pytest.mark.parametrize("axes", [(), (1,), (0, 2)])
@pytest.mark.parametrize("start", [[0, 0, 0], [-5, 9, 20], [7, 6, 5]])
def test_targets_of_a_batch_are_the_cut_and_mirrored_targets_of_the_wholes(source, prepared, start, axes):
    """Neighbours in the batch do not leak into each other."""
    whole = crop(torch.from_numpy(prepared.target), np.array(start), 16)
    others = [Patch(source, np.array([4, 4, 4]), ()), Patch(source, np.array([8, 2, 5]), (1,))]
    batch = batch_of([others[0], Patch(source, np.array(start), axes), others[1]], 16)
    inside = tuple(slice(max(-s, 0), max(min(n - s, 16), 0)) for s, n in zip(start, source.shape, strict=True))
    flipped = batch["target"][1].flip([axis + 1 for axis in axes]) if axes else batch["target"][1]
    np.testing.assert_allclose(flipped[(slice(None), *inside)], whole[(slice(None), *inside)], atol=1e-5)
    cut = batch["patch"][1].flip([axis + 1 for axis in axes]) if axes else batch["patch"][1]
    np.testing.assert_array_equal(cut, crop(source.channels, np.array(start), 16))


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
        item = batch_of([patches[index]], 16)
        assert item["patch"].shape == (1, 2, 16, 16, 16)
        assert item["target"].shape == (1, 2, 16, 16, 16)
        density = item["target"][0, 0]
        inside += bool(density.max() > 0.5)
        if density.std() > 0.05:
            assert torch.corrcoef(torch.stack([item["patch"][0, 0].ravel(), density.ravel()]))[0, 1] > 0.8
    assert inside > 12


def test_a_patch_depends_on_seed_and_index_alone(source, patches):
    again = PatchDataset([source], seed=7, patch=16, length=3, on_particle=0.8)
    other = PatchDataset([source], seed=8, patch=16, length=3, on_particle=0.8)
    torch.testing.assert_close(batch_of([again[41]], 16), batch_of([patches[41]], 16))
    assert any(tuple(other[i].start) != tuple(patches[i].start) for i in range(5))
