from dataclasses import replace

import numpy as np
import pytest
import torch

from pann.core.random import generator
from pann.refiner.lattices.crystals import CHANCE, HARDLY_SURE, HIGHEST, LOWEST, SEEN, SURE, UNSURE, Crystals
from pann.refiner.lattices.orientation import GRAINS, Lattice
from tests.refiner.lattices.scenes import TURN, VOXEL, counted, crystal, farthest, true_nodes, two_grains


@pytest.fixture(scope="module")
def found():
    density, series = counted(crystal())
    return Crystals.of(density, VOXEL, series)


def with_scores(crystals, *scores):
    """The same with `scores` of the first lattices, and with no excess from which a glass could be feared."""
    lattices = [replace(lattice, score=score) for lattice, score in zip(crystals.lattices, scores, strict=False)]
    return replace(crystals, lattices=lattices, excess=0.0)


def test_the_best_lattices_show_their_cells_their_atoms_and_all_other_detail(found):
    assert farthest(true_nodes(), found.lattices[0]) < 0.05
    assert len(found.lattices) == GRAINS
    assert SURE < found.best_score < found.lattices[0].score
    assert replace(found, lattices=[]).best_score == 0
    *shown, detail = found.views(cells=2, sites=2, detail=True)
    assert len(shown) == 4
    assert all(view.shape == found.detail.shape for view in shown)
    assert torch.equal(detail, found.detail)
    cell, atoms = shown[0], shown[2]
    assert LOWEST <= float(cell.min()) < float(cell.max()) <= HIGHEST
    assert float(torch.corrcoef(torch.stack([cell.flatten(), atoms.flatten()]))[0, 1]) > 0.8
    assert found.views(cells=0, sites=0, detail=False) == []


def test_each_grain_is_shown_in_its_own_half():
    grains, _ = two_grains(boundary=0.0)
    density, series = counted(grains, electrons=2.0)
    shown = Crystals.of(density, VOXEL, series).views(cells=2, sites=0, detail=False)
    left, right = slice(15, 27), slice(40, 52)  # voxels along x at 5 ± 2 Å on either side of the boundary
    ratios = [float(view[right].std() / view[left].std()) for view in shown]
    assert min(ratios) < 0.2
    assert max(ratios) > 5


@pytest.mark.parametrize("electrons", [0.5, 5.0])
def test_of_what_a_lattice_explains_in_a_glass_nothing_is_sure(electrons):
    positions = crystal() + generator(0, "glass").normal(scale=0.6, size=crystal().shape)
    density, series = counted(positions, electrons=electrons)
    glass = Crystals.of(density, VOXEL, series)
    assert glass.best_score < HARDLY_SURE
    assert glass.excess > 0


def test_a_mirror_image_has_the_mirrored_lattices_and_views(found):
    mirrored = found.mirrored((0, 2))
    assert farthest(true_nodes() * [-1, 1, -1], mirrored.lattices[0]) < 0.05
    for there, here in zip(mirrored.views(1, 1, True), found.views(1, 1, True), strict=True):
        torch.testing.assert_close(there, here.flip((0, 2)), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("score", "share"), [(UNSURE, 0.0), ((UNSURE + SEEN) / 2, 0.5), (2 * SEEN, 1.0)])
def test_a_lattice_is_seen_as_far_as_it_stands_out_of_noise(found, score, share):
    (whole, second), (part,) = found.views(0, 2, False), with_scores(found, score).views(0, 1, False)
    torch.testing.assert_close(part, share * whole)
    beside = with_scores(found, 2 * found.lattices[0].score, score)
    torch.testing.assert_close(beside.views(0, 2, False)[1], share * second)


def test_in_a_glass_no_lattice_is_seen_that_a_wrong_one_may_explain(found):
    score = 2 * SEEN
    glass = replace(with_scores(found, score, score), excess=score**2 / 2 / CHANCE)
    assert not any(view.any() for view in glass.views(2, 2, False))


def test_beside_a_sure_lattice_a_grain_of_its_cell_is_seen_and_a_faint_one_of_another_is_not(found):
    first = replace(found.lattices[0], score=3 * SEEN)
    turn = torch.tensor(TURN.as_matrix(), dtype=torch.float32)
    for nodes, seen in ((first.nodes @ turn, True), (first.nodes @ turn / 2, False)):
        both = replace(
            found,
            lattices=[first, Lattice(nodes, 1.5 * SEEN)],
            sites=[found.sites[0], found.sites[0]],
            excess=(1.5 * SEEN) ** 2 / 2 / CHANCE,
        )
        assert bool(both.views(0, 2, False)[1].any()) == seen


def test_arrays_keep_all_of_it(found):
    kept = Crystals.of_arrays(found.arrays())
    assert [lattice.score for lattice in kept.lattices] == [lattice.score for lattice in found.lattices]
    assert kept.best_score == found.best_score
    for there, here in zip(kept.views(2, 2, True), found.views(2, 2, True), strict=True):
        torch.testing.assert_close(there, here, atol=1e-5 + 1e-3 * (here is found.detail), rtol=1e-3)


def test_moved_to_a_device_they_are_the_same(found):
    for there, here in zip(found.to("cpu").views(1, 1, True), found.views(1, 1, True), strict=True):
        np.testing.assert_array_equal(there, here)
