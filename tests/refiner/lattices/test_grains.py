import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from pann.refiner.lattices.cell_average import cell_average
from pann.refiner.lattices.gradient import CountsGradient
from pann.refiner.lattices.grains import grains_of, is_worth_a_look, outside, strength
from tests.refiner.lattices.scenes import OTHER, TURN, VOXEL, counted, true_nodes, two_grains

BOUNDARY = 2.0


def nodes_of(turn):
    return torch.tensor(true_nodes(turn), dtype=torch.float32)


def at(gradient, values, positions):
    """`values` of the box of `gradient` at `positions` (n, 3) [Å]."""
    index = (positions - np.array(gradient.box.first)) / np.array(gradient.box.spacing)
    return map_coordinates(values.numpy(), index.T, order=1)


@pytest.fixture(scope="module")
def bicrystal():
    positions, turned = two_grains(BOUNDARY)
    density, series = counted(positions, electrons=2.0)
    return CountsGradient.of(density, VOXEL, series), positions, turned


def test_a_lattice_is_where_its_atoms_are(bicrystal):
    gradient, positions, turned = bicrystal
    for nodes, own in ((nodes_of(TURN), ~turned), (nodes_of(OTHER * TURN), turned)):
        found = at(gradient, strength(gradient, nodes, cell_average(gradient, nodes)), positions)
        assert found[own].mean() > found[~own].mean() + 0.4
        assert 0 <= found.min() <= found.max() <= 1
        beyond = at(gradient, outside(gradient, nodes), positions)
        assert beyond[own].mean() < 0.5 < beyond[~own].mean()


def test_each_grain_gets_a_window_of_its_own(bicrystal):
    gradient, positions, turned = bicrystal
    lattices = [nodes_of(TURN), nodes_of(OTHER * TURN)]
    deep = np.abs(positions[:, 0] - BOUNDARY) > 3
    for nodes, grain, own in zip(lattices, grains_of(gradient, lattices, [1.0, 1.0]), (~turned, turned), strict=True):
        window = at(gradient, grain.window, positions)
        assert (window[deep & own] > 0.8).mean() > 0.9
        assert (window[deep & ~own] < 0.2).mean() > 0.9
        whole, part = (
            shape.components_at(nodes) / shape.information_at(nodes)[0].sqrt() for shape in (gradient, grain.part)
        )
        assert float(part.abs().mean()) > 1.1 * float(whole.abs().mean())


def test_amplitudes_keep_their_place_from_part_to_whole(bicrystal):
    gradient, _, _ = bicrystal
    nodes = nodes_of(TURN)
    grain = grains_of(gradient, [nodes, nodes_of(OTHER * TURN)], [1.0, 1.0])[0]
    assert grain.part.places.centre != pytest.approx(gradient.places.centre, abs=1.0)
    moved = grain.about(gradient, nodes, cell_average(grain.part, nodes))
    there = cell_average(gradient, nodes)
    likeness = (moved.conj() * there).sum().real / (moved.norm() * there.norm())
    assert float(likeness) > 0.9


def test_a_lattice_that_is_not_trusted_takes_nothing_from_another(bicrystal):
    gradient, _, _ = bicrystal
    first, second = grains_of(gradient, [nodes_of(TURN), nodes_of(OTHER * TURN)], [1.0, 0.0])
    assert first.part is gradient
    assert bool((first.window == 1).all())
    assert float(second.window.min()) < 0.1


def test_what_is_no_grain_neither_takes_nor_loses_a_place(bicrystal):
    gradient, _, _ = bicrystal
    lattices = [nodes_of(TURN), nodes_of(OTHER * TURN)]
    for trusts in ([1.0, None], [None, 1.0]):
        assert all(grain.part is gradient for grain in grains_of(gradient, lattices, trusts))


def test_what_is_left_of_a_particle_must_be_enough_for_a_lattice(bicrystal):
    gradient, _, _ = bicrystal
    assert is_worth_a_look(gradient, outside(gradient, nodes_of(TURN)))
    assert not is_worth_a_look(gradient, torch.full_like(gradient.envelope, 0.1))
