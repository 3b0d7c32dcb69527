import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from pann.core import TiltSeries
from pann.core.geometry import position_to_index
from pann.refiner.lattices.cell_average import cell_average, fitted_nodes, seen_nodes
from pann.refiner.lattices.coherence import lattices_in
from pann.refiner.lattices.crystals import SURE, Crystals
from pann.refiner.lattices.gradient import ATOM, CountsGradient
from pann.refiner.lattices.orientation import Lattice
from pann.tomography import reconstruct
from tests.refiner.lattices.scenes import BOND, SHAPE, TURN, VOXEL, counted, crystal

CELL = BOND * 2**0.5
INTERSTITIAL = TURN.apply(np.array([CELL / 2, 0, 0]))
"""From an atom to the nearest octahedral hole."""


def gradient_of(density, series):
    return CountsGradient.of(density, VOXEL, series)


def cell_of(gradient, lattice):
    """Its mean cell, repeated everywhere."""
    (shown,) = Crystals.shown_by(gradient, [lattice]).views(cells=1, sites=0, detail=False)
    return shown


def at(values, positions):
    """`values` at `positions` (n, 3) [Å]."""
    return map_coordinates(np.asarray(values), position_to_index(positions, SHAPE, VOXEL).T, order=1)


def true_lattice(score=SURE):
    """{111}, {200} and {220} of `crystal`, one of each pair."""
    corners = [[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]]
    edges = [[2, 2, 0], [2, 0, 2], [0, 2, 2], [2, -2, 0], [2, 0, -2], [0, 2, -2]]
    nodes = TURN.apply(np.array([*corners, [2, 0, 0], [0, 2, 0], [0, 0, 2], *edges]) / CELL)
    return Lattice(torch.tensor(nodes, dtype=torch.float32), score)


def test_the_fit_turns_and_strains_a_lattice_to_where_it_is():
    gradient = gradient_of(*counted(crystal()))
    drawn = ATOM**2 / (ATOM**2 + 10.0**2 / 5)  # atoms scatter less to the outside: see `fitted_nodes`
    expected = (1 - drawn) * true_lattice().nodes
    strain = np.diag([1.008, 0.995, 1.0])
    turn = Rotation.from_rotvec([0.012, -0.01, 0.008])
    wrong = torch.tensor(turn.apply(true_lattice().nodes.numpy()) @ strain, dtype=torch.float32)
    before, after = ((nodes - expected).norm(dim=1).mean() for nodes in (wrong, fitted_nodes(gradient, wrong)))
    assert before > 0.008
    assert after < before / 2


def test_sites_of_a_crystal_stand_out_where_atoms_hardly_do():
    positions = crystal()
    density, series = counted(positions, electrons=0.5)
    gradient = gradient_of(density, series)
    shown = cell_of(gradient, lattices_in(gradient)[0])
    sites, holes = at(shown, positions), at(shown, positions + INTERSTITIAL)
    assert sites.min() > 1 > 0 > holes.mean()
    volume = reconstruct(series, "poisson", iterations=10, progress=False).values
    raw = [at(volume, places) for places in (positions, positions + INTERSTITIAL)]
    assert raw[0].min() < raw[1].mean()


def test_the_faint_end_of_a_particle_gets_the_sites_of_the_bright_one():
    positions = crystal()
    faint = positions[:, 0] < 0
    gradient = gradient_of(*counted(positions, np.where(faint, 0.1, 1.0)))
    shown = cell_of(gradient, lattices_in(gradient)[0])
    sites, holes = at(shown, positions[faint]), at(shown, positions[faint] + INTERSTITIAL)
    assert sites.min() > 1 > 0 > holes.mean()


def test_a_mean_cell_has_a_deviation_of_one():
    amplitudes = cell_average(gradient_of(*counted(crystal())), true_lattice().nodes)
    assert float((amplitudes.abs() ** 2).sum() / 2) == pytest.approx(1.0, rel=1e-5)


def test_nodes_beyond_the_spectrum_count_nothing():
    gradient = gradient_of(*counted(crystal()))
    true = true_lattice().nodes
    nodes = torch.cat([true, torch.tensor([[0.0, 0.05, 0.0], [0.0, 1.2, 0.5]])])
    torch.testing.assert_close(seen_nodes(gradient, nodes), true)
    shown, expected = (cell_of(gradient, Lattice(some, SURE)) for some in (nodes, true))
    torch.testing.assert_close(shown, expected)


def test_vacuum_shows_nothing():
    series = TiltSeries(np.eye(64)[None].repeat(5, axis=0), np.linspace(-60, 60, 5), VOXEL)
    gradient = gradient_of(torch.zeros(SHAPE), series)
    assert not cell_of(gradient, true_lattice()).any()
