from math import pi

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pann.core import Volume
from pann.core.geometry import position_to_index
from pann.core.random import generator
from pann.refiner.cell_average import (
    HIGHEST,
    LOWEST,
    SURE,
    UNSURE,
    Places,
    cell_average,
    components_at,
    fitted_nodes,
    gradients_at,
    usual_at,
)
from pann.refiner.orientation import Lattice, find_lattices
from pann.refiner.spectrum import Spectrum
from pann.refiner.target import gaussian_atoms
from tests.refiner.crystals import BOND, SHAPE, TURN, VOXEL, crystal, noisy

CELL = BOND * 2**0.5
INTERSTITIAL = TURN.apply(np.array([CELL / 2, 0, 0]))
"""From an atom to the nearest octahedral hole."""


def values_of(volume: Volume) -> torch.Tensor:
    """As a reconstruction: not negative."""
    return torch.from_numpy(volume.values.astype(np.float32)).clamp(min=0)


def at(values, positions):
    """`values` at `positions` (n, 3) [Å]."""
    return map_coordinates(values.numpy(), position_to_index(positions, SHAPE, VOXEL).T, order=1)


def true_lattice(score=SURE):
    """{111}, {200} and {220} of `crystal`, one of each pair."""
    corners = [[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]]
    edges = [[2, 2, 0], [2, 0, 2], [0, 2, 2], [2, -2, 0], [2, 0, -2], [0, 2, -2]]
    nodes = TURN.apply(np.array([*corners, [2, 0, 0], [0, 2, 0], [0, 0, 2], *edges]) / CELL)
    return Lattice(torch.tensor(nodes, dtype=torch.float32), score)


def reconstructed(heights, noise, width=0.3, seed=0):
    """`crystal` with atoms of `heights` (n,) and as sharp as in a Poisson reconstruction."""
    clean = gaussian_atoms(crystal(), heights, SHAPE, VOXEL, width)
    return values_of(Volume(clean + noise * generator(seed, "noise").normal(size=SHAPE), VOXEL))


def test_a_transform_at_whole_components_is_the_fast_one():
    values = torch.from_numpy(generator(1, "values").uniform(size=(12, 10, 8)))
    places = Places.of(values, VOXEL)
    counts = torch.tensor([[0, 0, 0], [1, 2, 3], [-4, 1, 0], [5, -3, 2]])
    nodes = counts / (torch.tensor(values.shape, dtype=torch.float64) * VOXEL)
    first = torch.stack([axis[0] for axis in places.axes])
    expected = torch.fft.fftn(values)[tuple(counts.T)] * torch.exp(-2j * pi * (nodes @ first))
    torch.testing.assert_close(components_at(values, places, nodes), expected)


def test_its_gradients_are_those_of_finite_differences():
    values = torch.from_numpy(generator(2, "values").uniform(size=(9, 8, 7)))
    places = Places.of(values, VOXEL)
    nodes = torch.tensor([[0.2, -0.1, 0.3], [0.05, 0.4, -0.2]], dtype=torch.float64)
    transform, slopes = gradients_at(values, places, nodes)
    torch.testing.assert_close(transform, components_at(values, places, nodes))
    step = 1e-5
    for axis in range(3):
        moved = torch.zeros(3, dtype=torch.float64)
        moved[axis] = step
        both = [components_at(values, places, nodes + sign * moved) for sign in (1, -1)]
        torch.testing.assert_close(slopes[:, axis], (both[0] - both[1]) / (2 * step), rtol=1e-5, atol=1e-5)


def test_the_fit_turns_and_strains_a_lattice_to_where_it_is():
    values = reconstructed(np.ones(len(crystal())), 0.1)
    spectrum = Spectrum.of(values, VOXEL)
    true = true_lattice().nodes
    strain = np.diag([1.008, 0.995, 1.0])
    wrong = torch.tensor(Rotation.from_rotvec([0.012, -0.01, 0.008]).apply(true.numpy()) @ strain, dtype=torch.float32)
    before, after = ((nodes - true).norm(dim=1).mean() for nodes in (wrong, fitted_nodes(values, spectrum, wrong)))
    assert before > 0.005
    assert after < before / 3  # not all the way: atoms scatter less to the outside


def test_sites_of_a_crystal_stand_out_where_atoms_hardly_do():
    positions = crystal()
    volume = noisy(positions, 1.5)
    values = values_of(volume)
    spectrum = Spectrum.of(values, VOXEL)
    shown = cell_average(values, spectrum, find_lattices(spectrum)[0])
    sites, holes = at(shown, positions), at(shown, positions + INTERSTITIAL)
    assert sites.min() > 2 > 0 > holes.mean()
    raw = [at(values, places) for places in (positions, positions + INTERSTITIAL)]
    assert raw[0].min() < raw[1].mean()
    assert shown.min() >= LOWEST
    assert shown.max() <= HIGHEST


def test_the_faint_end_of_a_particle_gets_the_sites_of_the_bright_one():
    positions = crystal()
    faint = positions[:, 0] < 0
    values = reconstructed(np.where(faint, 0.05, 1.0), 0.2)
    spectrum = Spectrum.of(values, VOXEL)
    shown = cell_average(values, spectrum, find_lattices(spectrum)[0])
    sites, holes = at(shown, positions[faint]), at(shown, positions[faint] + INTERSTITIAL)
    assert sites.min() > 2 > 0 > holes.mean()
    raw = [at(values, places[faint]) for places in (positions, positions + INTERSTITIAL)]
    assert raw[0].mean() < raw[1].mean() + 0.1


@pytest.mark.parametrize(("score", "share"), [(UNSURE, 0.0), ((UNSURE + SURE) / 2, 0.5), (2 * SURE, 1.0)])
def test_a_lattice_is_shown_as_far_as_its_score_is_sure(score, share):
    values = values_of(noisy(crystal(), 0.3))
    spectrum = Spectrum.of(values, VOXEL)
    whole, part = (cell_average(values, spectrum, true_lattice(number)) for number in (SURE, score))
    torch.testing.assert_close(part, share * whole)


def test_nodes_beyond_the_spectrum_count_nothing():
    values = values_of(noisy(crystal(), 0.3))
    spectrum = Spectrum.of(values, VOXEL)
    nodes = torch.cat([true_lattice().nodes, torch.tensor([[0.0, 0.05, 0.0], [0.0, 1.2, 0.5]])])
    assert torch.isinf(usual_at(spectrum, nodes)[-2:]).all()
    assert torch.isfinite(usual_at(spectrum, nodes)[:-2]).all()
    shown, expected = (cell_average(values, spectrum, Lattice(some, SURE)) for some in (nodes, nodes[:-2]))
    torch.testing.assert_close(shown, expected, rtol=0.01, atol=0.05)  # the fit weighs the others a little differently


def test_vacuum_shows_nothing():
    values = torch.zeros(SHAPE)
    spectrum = Spectrum.of(values, VOXEL)
    assert not cell_average(values, spectrum, true_lattice()).any()
