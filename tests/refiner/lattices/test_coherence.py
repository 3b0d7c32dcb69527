import numpy as np
import pytest
import torch

from pann.core import TiltSeries
from pann.refiner.lattices.coherence import lattices_in
from pann.refiner.lattices.gradient import CountsGradient
from pann.refiner.lattices.orientation import GRAINS, Lattice, find_lattices
from pann.refiner.lattices.spectrum import Spectrum
from pann.tomography import reconstruct
from tests.refiner.lattices.scenes import OTHER, SHAPE, TURN, VOXEL, counted, crystal, farthest, true_nodes, two_grains

NOISE_ALONE = 9.0
"""No lattice of noise reaches this score."""


def found_in(density, series, known=()):
    return lattices_in(CountsGradient.of(density, VOXEL, series), known)


def test_a_lattice_is_found_that_the_reconstruction_has_lost():
    density, series = counted(crystal(), electrons=0.4)
    first = found_in(density, series)[0]
    assert first.score > NOISE_ALONE
    assert farthest(true_nodes(), first) < 0.05
    volume = reconstruct(series, "poisson", iterations=10, progress=False)
    assert farthest(true_nodes(), find_lattices(Spectrum.of(torch.from_numpy(volume.values.copy()), VOXEL))[0]) > 0.05


def test_of_two_grains_both_are_found():
    grains, _ = two_grains(boundary=0.0)
    found = found_in(*counted(grains, electrons=2.0))
    assert len(found) == GRAINS
    for turn in (TURN, OTHER * TURN):
        assert min(farthest(true_nodes(turn), lattice) for lattice in found) < 0.05


def test_a_small_grain_is_found_where_the_large_one_is_not():
    grains, _ = two_grains(boundary=3.0)
    first, second, _ = found_in(*counted(grains, electrons=2.0))
    assert (first.apart, second.apart) == (False, True)
    assert farthest(true_nodes(), first) < 0.05
    assert farthest(true_nodes(OTHER * TURN), second) < 0.05
    assert second.score > first.score / 2  # of the whole particle, whose noise it would have to stand out of, less


def test_two_kinds_of_atoms_that_are_nearly_alike_make_one_lattice():
    """A rock salt, whose strong reflections are those of a cell of half the edge, with an atom on every corner."""
    edge, cube = 2.6, np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    cube = cube[np.linalg.norm(cube, axis=1) * edge < 10]
    heights = np.where(cube.sum(axis=1) % 2 == 0, 1.0, 0.7)
    first, *others = found_in(*counted(TURN.apply(cube * edge), heights, electrons=6.0))
    strong, weak = TURN.apply(np.eye(3) / edge), TURN.apply(np.array([[1, 1, 1], [1, 1, -1]]) / 2 / edge)
    assert farthest(strong, first) < 0.05
    assert farthest(weak, first) < 0.05
    assert max(lattice.score for lattice in others) < first.score / 2


def test_vacuum_holds_no_lattice():
    series = TiltSeries(np.eye(64)[None].repeat(5, axis=0), np.linspace(-60, 60, 5), VOXEL)
    assert all(lattice.score == 0 for lattice in found_in(torch.zeros(SHAPE), series))


def test_a_lattice_that_is_known_is_taken_if_the_counts_like_it_best():
    density, series = counted(crystal(), electrons=1.0)
    gradient = CountsGradient.of(density, VOXEL, series)
    right = Lattice(torch.tensor(true_nodes(), dtype=torch.float32), 0.0)
    wrong = Lattice(right.nodes @ torch.tensor(TURN.as_matrix(), dtype=torch.float32), 0.0)
    alone = lattices_in(gradient)[0].score
    assert lattices_in(gradient, [wrong])[0].score == pytest.approx(alone)
    assert farthest(true_nodes(), lattices_in(gradient, [wrong, right])[0]) < 0.05
