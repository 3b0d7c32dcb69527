import numpy as np
import pytest
import torch

from pann.core import Volume
from pann.refiner import Refiner
from pann.refiner.canonical import to_canonical
from pann.refiner.lattices.bragg import bragg_filtered
from pann.refiner.lattices.crystals import Crystals, trust_in
from pann.refiner.lattices.spectrum import Spectrum
from pann.refiner.net import RefinerNet
from pann.refiner.patches import PatchSource
from pann.refiner.whole import answer_to
from tests.refiner.conftest import network


class Witness(RefinerNet):
    """Answers with the first two channels, and keeps all that it was shown."""

    def __init__(self):
        super().__init__(global_size=8)
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen = []

    def forward(self, patch, pooled, place, acquisition):
        self.seen.append(patch[0].numpy())
        return patch[:, :2]


def answer(net, prepared, flips=1):
    example = prepared.example
    values = example.values.astype(np.float32)
    crystals = net.crystals_of(torch.tensor(values), example.voxel_size, example.series)
    described = example.voxel_size, prepared.pooled, prepared.acquisition, crystals
    return answer_to(net, values, *described, flips=flips, tile=400, margin=0)


def test_a_network_reads_the_density_and_what_is_periodic_in_it(prepared):
    example = prepared.example
    density, lattice, squares = answer(Witness(), prepared)
    np.testing.assert_array_equal(density, example.values.astype(np.float32))
    found = bragg_filtered(torch.tensor(density), example.voxel_size)
    np.testing.assert_allclose(lattice, found, atol=1e-5)
    np.testing.assert_allclose(squares, density**2, rtol=1e-6)


def test_mirrors_show_the_same_channels_mirrored(prepared):
    net = Witness()
    np.testing.assert_allclose(answer(net, prepared, flips=3), answer(Witness(), prepared), rtol=1e-5, atol=1e-5)
    assert len(net.seen) == 3


def test_a_network_reads_what_its_filter_lets_pass_and_what_the_counts_say(prepared):
    example = prepared.example
    net = network(lattice_filter={"width": 4, "rounds": 2}, cell_averages=2, lattice_sites=1, counts_detail=True)
    values = torch.tensor(example.values.astype(np.float32))
    acquisition = torch.as_tensor(prepared.acquisition)
    crystals = net.crystals_of(values, example.voxel_size, example.series)
    channels = net.channels_of(values, example.voxel_size, acquisition, crystals)
    passed = net.lattice_filter(Spectrum.of(values, example.voxel_size), acquisition, crystals.lattices)
    torch.testing.assert_close(channels[2:], torch.stack([passed, *crystals.views(2, 1, True)]))
    changed = answer(net, prepared)
    with torch.no_grad():
        net.fold.weight[:, 4:] = 0
        net.head[0].weight[:, -4:] = 0
    assert np.abs(changed - answer(net, prepared)).max() > 1e-4


def test_an_answer_says_how_sure_the_lattice_is(prepared):
    example = prepared.example
    volume = Volume(example.values.astype(np.float32), example.voxel_size)
    canonical = torch.tensor(to_canonical(volume, example.voxel_size).values)
    expected = Crystals.of(canonical, example.voxel_size, example.series).best_score
    for net, score, trust in (network(cell_averages=1), expected, trust_in(expected)), (network(), 0.0, 1.0):
        answer = Refiner(net, example.voxel_size, 0.5).refine(volume, example.series, progress=False)
        assert (answer.lattice_score, answer.lattice_trust) == (pytest.approx(score), pytest.approx(trust))


def test_the_patches_of_such_a_network_show_the_same_channels_found_once(prepared):
    net = network(lattice_filter={"width": 4, "rounds": 2})
    asked = []

    def look(prepared, values):
        asked.append(values.shape)
        return seen(prepared, values)

    def seen(prepared, values):
        example = prepared.example
        crystals = net.crystals_of(values, example.voxel_size, example.series)
        return net.channels_of(values, example.voxel_size, torch.as_tensor(prepared.acquisition), crystals)

    source = PatchSource.of(prepared, look=look)
    values = torch.tensor(prepared.example.values.astype(np.float32))
    torch.testing.assert_close(source.channels, seen(prepared, values).half())
    assert source.channels is source.channels
    assert np.shares_memory(prepared.example.values, source.channels.numpy())
    assert len(asked) == 1
