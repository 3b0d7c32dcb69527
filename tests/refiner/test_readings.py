import numpy as np
import pytest
import torch

from pann.core import Volume
from pann.refiner.lattice import bragg_filtered
from pann.refiner.patches import Patch, PatchDataset, PatchSource, batch_of
from pann.refiner.readings import read_volume, second_lattice


@pytest.fixture
def source(prepared):
    return PatchSource.of(prepared)


class Shifted(torch.nn.Module):
    """Answers with the density, and as presence with the density moved by as many voxels as it was asked before."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, patch, pooled, place, acquisition):
        self.seen.append(patch[0].numpy())
        return torch.cat([patch[:, :1], patch[:, :1].roll(len(self.seen), dims=2)], dim=1)


def read(net, prepared, readings, flips=1):
    example = prepared.example
    whole = {"tile": 400, "margin": 0}
    return read_volume(
        net,
        example.channels,
        example.voxel_size,
        prepared.pooled,
        prepared.acquisition,
        readings=readings,
        flips=flips,
        **whole,
    )


def inside(array, example):
    """Without what was added up to the stride of the network."""
    return array[tuple(slice(0, n) for n in example.values.shape)]


def test_a_reading_is_guided_by_the_answer_before(prepared):
    """The density stays what it is; the lattice is filtered anew by the presence of the answer before."""
    example, net = prepared.example, Shifted()
    read(net, prepared, 3)
    assert len(net.seen) == 3
    volume = Volume(example.channels[0], example.voxel_size)
    for number, (density, lattice) in enumerate(net.seen):
        np.testing.assert_array_equal(inside(density, example), example.channels[0])
        guide = None if number == 0 else inside(np.roll(net.seen[number - 1][0], number, axis=0), example)
        np.testing.assert_allclose(inside(lattice, example), bragg_filtered(volume, guide), atol=2e-3)


def test_all_readings_and_their_mirrors_are_averaged(prepared):
    net, density = Shifted(), prepared.example.channels[0]
    answer = read(net, prepared, 2)
    assert len(net.seen) == 2
    presence = [inside(np.roll(seen[0], number, axis=0), prepared.example) for number, seen in enumerate(net.seen, 1)]
    np.testing.assert_allclose(answer[0], density, atol=1e-5)
    np.testing.assert_allclose(answer[1], np.mean(presence, axis=0), atol=1e-5)
    np.testing.assert_allclose(answer[2], density**2, rtol=1e-5)
    read(net, prepared, 2, flips=4)
    assert len(net.seen) == 2 + 8


def test_what_training_shows_is_what_a_second_reading_reads(net, source, prepared):
    """The whole volume at once on a device, and in NumPy, lead to the same lattice."""
    seen = []
    net.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0][0].numpy()))
    read(net, prepared, 2)
    shown = second_lattice(net, source, torch.device("cpu"))
    lattice = inside(seen[1][1], prepared.example)
    assert shown.dtype == torch.float16
    np.testing.assert_allclose(shown.float(), lattice, atol=2e-3 * np.abs(lattice).max())


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
