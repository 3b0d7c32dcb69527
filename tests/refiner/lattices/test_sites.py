import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pann.core.random import generator
from pann.refiner.lattices.bravais import reciprocal_nodes
from pann.refiner.lattices.cell_average import seen_nodes
from pann.refiner.lattices.gradient import CountsGradient
from pann.refiner.lattices.sites import Sites, basis_of, sites_of
from tests.refiner.lattices.scenes import BOND, TURN, VOXEL, counted, crystal

CELL = BOND * 2**0.5
HOLE = TURN.apply(np.array([CELL / 2, 0, 0]))
"""From an atom to the nearest octahedral hole."""
VECTORS = TURN.apply(np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]))
"""Of an fcc lattice of cell 1, in rows."""


def found_in(positions, heights=None, electrons=3.0):
    """Sites of the true lattice of `crystal`, in the counts of the atoms, and the centroid."""
    gradient = CountsGradient.of(*_scene(positions, heights, electrons))
    return sites_of(gradient, seen_nodes(gradient, true_nodes())), np.array(gradient.places.centre)


def _scene(positions, heights, electrons):
    density, series = counted(positions, heights, electrons)
    return density, VOXEL, series


def true_nodes(cell=CELL):
    return torch.tensor(TURN.apply(reciprocal_nodes("fcc", cell / 1.1) / cell), dtype=torch.float32)


def off_lattice(vectors, cell=CELL):
    """Distance of each of `vectors` (n, 3) [Å] from the nearest vector of the lattice."""
    whole = np.linalg.solve(cell * VECTORS.T, np.atleast_2d(vectors).T)
    around = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), -1).reshape(-1, 3).T
    return np.linalg.norm(cell * VECTORS.T @ (whole - whole.round() - around[:, None].transpose(2, 0, 1)), axis=1).min(
        0
    )


def test_the_one_atom_of_a_metal_is_found_and_no_ghost():
    sites, centre = found_in(crystal(), electrons=1.0)
    assert len(sites.z) == 1
    assert off_lattice(sites.displacements.numpy() + centre)[0] < 0.15
    assert sites.z[0] > 20


def test_a_light_atom_is_found_between_heavy_ones():
    metal = crystal(9.0)
    positions = np.concatenate([metal, metal + HOLE])
    heights = np.repeat([1.0, 0.25], len(metal))
    sites, _ = found_in(positions, heights, electrons=6.0)
    assert len(sites.z) == 2
    assert off_lattice((sites.displacements[1] - sites.displacements[0]).numpy() - HOLE)[0] < 0.25
    assert float(sites.z[1] / sites.z[0]) == pytest.approx(0.25, abs=4 / float(sites.z[0]))


@pytest.mark.parametrize("electrons", [10.0, 60.0])
def test_the_holes_of_a_zinc_blende_hold_no_ghosts_of_its_atoms(electrons):
    """The images do not know the structure factors that tell the holes from the atoms well enough."""
    bond = 4.0
    cell = bond * 2**0.5
    metal = crystal(9.0, bond)
    quarter = TURN.apply(np.full(3, cell / 4))
    gradient = CountsGradient.of(*_scene(np.concatenate([metal, metal + quarter]), None, electrons))
    sites = sites_of(gradient, seen_nodes(gradient, true_nodes(cell)))
    assert len(sites.z) == 2
    apart = (sites.displacements[1] - sites.displacements[0]).numpy()
    assert min(off_lattice(side * apart - quarter, cell)[0] for side in (1, -1)) < 0.2


def test_a_glass_whose_counts_hardly_tell_of_it_has_no_atoms():
    glass = generator(3, "glass").uniform(-6, 6, (400, 3))
    sites, _ = found_in(glass, electrons=0.02)
    assert len(sites.z) == 0


def test_atoms_are_shown_as_peaks_at_their_places():
    sites = Sites(torch.tensor([[0.3, -0.2, 0.1]]), torch.tensor([16.0]))
    nodes = true_nodes()
    places = torch.tensor(np.concatenate([[[0.3, -0.2, 0.1]], HOLE[None] + [0.3, -0.2, 0.1]]), dtype=torch.float32)
    waves = torch.exp(2j * np.pi * (nodes @ places.T))
    shown = (sites.amplitudes(nodes)[:, None] * waves).real.sum(0)
    assert float(shown[0]) == pytest.approx(4.0, rel=1e-4)
    assert float(shown[1]) < 0


@pytest.mark.parametrize(("kind", "cell"), [("fcc", 4.0), ("bcc", 3.0), ("sc", 4.0), ("hcp", 2.8)])
def test_a_basis_generates_all_nodes_of_a_lattice(kind, cell):
    nodes = torch.tensor(TURN.apply(reciprocal_nodes(kind, cell / 1.1) / cell), dtype=torch.float32)
    basis = basis_of(nodes)
    whole = np.linalg.solve(basis.numpy().T, nodes.numpy().T)
    np.testing.assert_allclose(whole, whole.round(), atol=1e-3)


def test_twins_have_no_basis_and_one_common_atom():
    other = Rotation.from_rotvec([0.5, 0.2, -0.3]).apply(true_nodes())
    twins = torch.cat([true_nodes(), torch.tensor(other, dtype=torch.float32)])
    assert basis_of(twins) is None
    gradient = CountsGradient.of(*_scene(crystal(), None, 3.0))
    assert len(sites_of(gradient, seen_nodes(gradient, twins)).z) == 1


def test_of_too_few_nodes_nothing_is_said():
    gradient = CountsGradient.of(*_scene(crystal(), None, 3.0))
    sites = sites_of(gradient, true_nodes()[:2])
    assert len(sites.z) == 0
    assert not sites.amplitudes(true_nodes()).any()
