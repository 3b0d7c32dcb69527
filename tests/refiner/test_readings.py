import numpy as np
import pytest
import torch

from pann.core import Volume
from pann.refiner.lattice import bragg_filtered
from pann.refiner.patches import Patch, PatchDataset, PatchSource, batch_of
from pann.refiner.readings import in_readings, second_lattice
from pann.refiner.tiling import refine_tiled


@pytest.fixture
def source(prepared):
    return PatchSource.of(prepared)


def test_one_reading_is_the_answer_and_a_second_is_guided_by_it(example):
    """The density stays what it is; the lattice is filtered anew by the presence of the answer before."""
    seen = []

    def ask(channels):
        seen.append(channels)
        return np.stack([channels[0], np.roll(channels[0], 1 + len(seen), axis=0)])

    once = in_readings(ask, example.channels, example.voxel_size, 1)
    np.testing.assert_array_equal(once[0], example.channels[0])
    assert len(seen) == 1
    in_readings(ask, example.channels, example.voxel_size, 3)
    assert len(seen) == 4
    volume = Volume(example.channels[0], example.voxel_size)
    for before, after in ((2, 3), (3, 4)):
        guide = np.roll(example.channels[0], before, axis=0)  # the presence of answer `before` - 1
        np.testing.assert_array_equal(seen[after - 1][0], example.channels[0])
        np.testing.assert_allclose(seen[after - 1][1], bragg_filtered(volume, guide), atol=1e-5)


def test_what_training_shows_is_what_a_second_reading_reads(net, source, prepared):
    """The whole volume at once on a device, and tile by tile in NumPy, lead to the same lattice."""
    seen = []

    def ask(channels):
        seen.append(channels)
        return refine_tiled(net, channels, prepared.pooled, prepared.acquisition, tile=64, margin=16)

    in_readings(ask, prepared.example.channels, prepared.example.voxel_size, 2)
    shown = second_lattice(net, source, torch.device("cpu"))
    assert shown.dtype == torch.float16
    np.testing.assert_allclose(shown.float(), seen[1][1], atol=2e-3 * np.abs(seen[1][1]).max())


def test_patches_read_again_show_the_second_lattice_and_the_same_density(source):
    source.second = -source.channels[1]
    first, again = (batch_of([Patch(source, np.array([3, 4, 5]), (1,), flag)], 16)["patch"] for flag in (False, True))
    torch.testing.assert_close(again[:, 0], first[:, 0])
    torch.testing.assert_close(again[:, 1], -first[:, 1])
    assert first[:, 1].any()


def test_most_patches_of_a_source_that_was_read_show_it_and_places_do_not_change(source):
    def drawn():
        return [PatchDataset([source], seed=7, patch=16, length=1, on_particle=0.8)[k] for k in range(80)]

    before = drawn()
    source.second = source.channels[1]
    after = drawn()
    assert not any(patch.again for patch in before)
    assert 45 < sum(patch.again for patch in after) < 75
    assert all((a.start == b.start).all() and a.axes == b.axes for a, b in zip(before, after, strict=True))
