from dataclasses import replace

import numpy as np
import pytest
import torch

from pann.refiner.lattices.crystals import HIGHEST, LOWEST, SURE, UNSURE, Crystals
from pann.refiner.lattices.orientation import GRAINS
from tests.refiner.lattices.scenes import VOXEL, counted, crystal, farthest, true_nodes


@pytest.fixture(scope="module")
def found():
    density, series = counted(crystal())
    return Crystals.of(density, VOXEL, series)


def test_the_best_lattices_show_their_cells_their_atoms_and_all_other_detail(found):
    assert farthest(true_nodes(), found.lattices[0]) < 0.05
    assert len(found.lattices) == GRAINS
    assert found.best_score == found.lattices[0].score > SURE
    assert replace(found, lattices=[]).best_score == 0
    *shown, detail = found.views(cells=2, sites=2, detail=True)
    assert len(shown) == 4
    assert all(view.shape == found.detail.shape for view in shown)
    assert torch.equal(detail, found.detail)
    cell, atoms = shown[0], shown[2]
    assert LOWEST <= float(cell.min()) < float(cell.max()) <= HIGHEST
    assert float(torch.corrcoef(torch.stack([cell.flatten(), atoms.flatten()]))[0, 1]) > 0.8
    assert found.views(cells=0, sites=0, detail=False) == []


def test_a_mirror_image_has_the_mirrored_lattices_and_views(found):
    mirrored = found.mirrored((0, 2))
    assert farthest(true_nodes() * [-1, 1, -1], mirrored.lattices[0]) < 0.05
    for there, here in zip(mirrored.views(1, 1, True), found.views(1, 1, True), strict=True):
        torch.testing.assert_close(there, here.flip((0, 2)), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("score", "share"), [(UNSURE, 0.0), ((UNSURE + SURE) / 2, 0.5), (2 * SURE, 1.0)])
def test_a_lattice_is_shown_as_far_as_its_score_is_sure(found, score, share):
    first = replace(found.lattices[0], score=score)
    (part,) = replace(found, lattices=[first]).views(0, 1, False)
    (whole,) = replace(found, lattices=[replace(first, score=SURE)]).views(0, 1, False)
    torch.testing.assert_close(part, share * whole)


def test_arrays_keep_all_of_it(found):
    kept = Crystals.of_arrays(found.arrays())
    assert [lattice.score for lattice in kept.lattices] == [lattice.score for lattice in found.lattices]
    for there, here in zip(kept.views(2, 2, True), found.views(2, 2, True), strict=True):
        torch.testing.assert_close(there, here, atol=1e-5 + 1e-3 * (here is found.detail), rtol=1e-3)


def test_moved_to_a_device_they_are_the_same(found):
    for there, here in zip(found.to("cpu").views(1, 1, True), found.views(1, 1, True), strict=True):
        np.testing.assert_array_equal(there, here)
