import torch

from pann.refiner.crystals import Crystals
from tests.refiner.crystals import VOXEL, counted, crystal, farthest, true_nodes


def test_the_best_lattices_show_their_cells():
    density, series = counted(crystal())
    found = Crystals.of(density, VOXEL, series, cells=2)
    assert found.cells.shape == (2, *density.shape)
    assert farthest(true_nodes(), found.lattices[0]) < 0.05
    assert found.cells[0].std() > 0.5
    assert Crystals.of(density, VOXEL, series, cells=0).cells.shape == (0, *density.shape)


def test_a_mirror_image_has_the_mirrored_lattices_and_cells():
    found = Crystals.of(*_scene(), cells=1)
    mirrored = found.mirrored((0, 2))
    torch.testing.assert_close(mirrored.cells[0], found.cells[0].flip((0, 2)))
    assert farthest(true_nodes() * [-1, 1, -1], mirrored.lattices[0]) < 0.05


def _scene():
    density, series = counted(crystal())
    return density, VOXEL, series
