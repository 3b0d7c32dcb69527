import numpy as np
import pytest

from pann.core.random import generator
from pann.simulation.structures.bonds import alloy_bond, atomic_radius, axis_ratio, lattice_bond, neighbours_of
from pann.simulation.structures.compounds import COMPOUNDS, compound
from pann.simulation.structures.lattices import PROTOTYPES, crystal_sites
from pann.simulation.structures.shapes import random_rotation
from tests.simulation.structures.measures import build, nearest, neighbours


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes_have_their_neighbour_distance_and_density(name: str) -> None:
    lattice = PROTOTYPES[name].stretched(2.5 / PROTOTYPES[name].bond)
    positions, sites = crystal_sites(name, 2.5, 16.0, random_rotation(generator(1, name)), origin=(0.1, 0.2, 0.3))
    assert nearest(positions).min() == pytest.approx(2.5)
    assert len(positions) == pytest.approx(lattice.density * 4 / 3 * np.pi * 16**3, rel=0.05)
    assert set(sites) == set(range(lattice.n_sublattices))
    np.testing.assert_allclose(np.bincount(sites) / len(sites), lattice.shares, atol=0.03)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("fcc", 12, 6), ("hcp", 12, 6), ("bcc", 8, 6), ("sc", 6, 12), ("diamond", 4, 12), ("rocksalt", 6, 12)],
)
def test_coordination_of_crystals(name: str, first: int, second: int) -> None:
    positions, _ = crystal_sites(name, 2.5, 14.0)
    inner = np.linalg.norm(positions, axis=1) < 7
    shell = {"fcc": 1.5, "hcp": 1.5, "bcc": 1.3, "sc": 1.5, "diamond": 1.8, "rocksalt": 1.5}[name]
    assert set(neighbours(positions, 2.6)[inner]) == {first}
    assert set(neighbours(positions, shell * 2.5)[inner]) == {first + second}
    assert neighbours_of(PROTOTYPES[name]) == first


@pytest.mark.parametrize(
    ("name", "first", "second", "distance", "around_first", "around_second"),
    [
        # distances from the lattice constants and the site parameters by hand [Å]
        ("CeO2", 58, 8, 5.4113 * 3**0.5 / 4, 8, 4),
        ("CsPbBr3", 82, 35, 5.874 / 2, 6, 2),
        ("SrTiO3", 22, 8, 3.905 / 2, 6, 2),
        ("PbS", 82, 16, 5.936 / 2, 6, 6),
        ("MgO", 12, 8, 4.2112 / 2, 6, 6),
        ("CdSe_zincblende", 48, 34, 6.052 * 3**0.5 / 4, 4, 4),
        ("CdSe", 48, 34, 2.63, 4, 4),
        ("ZnO", 30, 8, 1.98, 4, 4),
        ("MoS2", 42, 16, 2.42, 6, 3),
        ("TiO2_rutile", 22, 8, 1.95, 6, 3),
        ("TiO2_anatase", 22, 8, 1.95, 6, 3),
        ("SOD", 14, 8, 1.61, 4, 2),
        ("LTA", 14, 8, 1.61, 4, 2),
    ],
)
def test_bonds_of_compounds(
    name: str, first: int, second: int, distance: float, around_first: int, around_second: int
) -> None:
    lattice = compound(name)
    positions, sites = lattice.ball(16.0)
    numbers = np.asarray(lattice.numbers)[sites]
    inner = np.linalg.norm(positions, axis=1) < 10
    a, b = positions[numbers == first], positions[numbers == second]
    assert lattice.bond == pytest.approx(distance, abs=0.02)
    assert set(neighbours(a[inner[numbers == first]], 1.15 * distance, b)) == {around_first}
    assert set(neighbours(b[inner[numbers == second]], 1.15 * distance, a)) == {around_second}


def test_titanium_sits_off_the_centre_of_its_octahedron() -> None:
    lattice = compound("BaTiO3")
    positions, sites = lattice.ball(14.0)
    numbers = np.asarray(lattice.numbers)[sites]
    titanium = positions[numbers == 22]
    middle = titanium[np.argmin(np.linalg.norm(titanium, axis=1))]
    distances = np.sort(np.linalg.norm(positions[numbers == 8] - middle, axis=1))[:6]
    assert distances[0] == pytest.approx(1.829, abs=0.005)  # Kwei et al. 1993: 1.829, 4 x 2.000, 2.206
    assert distances[1:5] == pytest.approx([2.0] * 4, abs=0.01)
    assert distances[5] == pytest.approx(2.206, abs=0.005)


@pytest.mark.parametrize(("name", "density"), [("SOD", 16.7), ("LTA", 14.2)])
def test_framework_density_of_zeolites(name: str, density: float) -> None:
    """Silicon atoms per 1000 Å³, as the database of zeolite structures lists them."""
    lattice = compound(name)
    assert 1000 * lattice.density * lattice.shares[0] == pytest.approx(density, abs=0.1)


@pytest.mark.parametrize("name", COMPOUNDS)
def test_no_compound_has_atoms_that_touch(name: str) -> None:
    assert nearest(compound(name).ball(10.0)[0]).min() == pytest.approx(compound(name).bond, abs=1e-6)
    assert compound(name).bond > 1.6


def test_facets_follow_the_symmetry_of_the_cell() -> None:
    counts = {plane: len(PROTOTYPES["fcc"].facets(plane)) for plane in [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0)]}
    assert counts == {(1, 0, 0): 6, (1, 1, 0): 12, (1, 1, 1): 8, (2, 1, 0): 24}
    hexagonal = PROTOTYPES["hcp"]
    assert [len(hexagonal.facets(plane)) for plane in [(0, 0, 1), (1, 0, 0), (1, 0, 1)]] == [2, 6, 12]
    tetragonal = compound("BaTiO3")
    assert [len(tetragonal.facets(plane)) for plane in [(1, 0, 0), (0, 0, 1), (1, 1, 1)]] == [4, 2, 8]
    np.testing.assert_allclose(PROTOTYPES["fcc"].direction([1, 1, 0]), [0.5**0.5, 0.5**0.5, 0])


@pytest.mark.parametrize(
    ("number", "around", "distance"),
    [(79, 12, 2.884), (26, 8, 2.485), (14, 4, 2.351), (22, 12, 2.95), (50, 4, 2.81)],  # Au, Fe, Si, Ti, grey Sn
)
def test_elements_have_their_measured_neighbour_distance(number: int, around: int, distance: float) -> None:
    assert 2 * atomic_radius(number, around) == pytest.approx(distance, rel=0.01)


def test_alloys_follow_vegard_and_compounds_add_radii() -> None:
    gold, copper = 2 * atomic_radius(79, 12), 2 * atomic_radius(29, 12)
    assert alloy_bond([79, 29], [0.25, 0.75]) == pytest.approx(0.25 * gold + 0.75 * copper)
    l12 = lattice_bond(PROTOTYPES["l12"], [29, 79], [0.5, 0.5], by_site=True)
    assert l12 == pytest.approx(0.25 * gold + 0.75 * copper)  # three of four sites, whatever the fractions
    assert lattice_bond(PROTOTYPES["rocksalt"], [12, 8], [0.5, 0.5], by_site=True) == pytest.approx(2.1, abs=0.05)


def test_hcp_metals_have_their_own_axis_ratio() -> None:
    """Six neighbours in the basal plane at a, six out of it: zinc's are much farther away (c/a = 1.856)."""
    ideal = (8 / 3) ** 0.5
    assert axis_ratio([30], [1.0]) * ideal == pytest.approx(1.856, abs=0.005)
    assert axis_ratio([22, 78], [0.5, 0.5]) * ideal == pytest.approx((1.586 + ideal) / 2, abs=0.005)
    recipe = {"n_atoms": 400, "sites": {"kind": "crystal", "lattice": "hcp"}}
    zinc = build(recipe | {"chemistry": {"kind": "random", "elements": ["Zn"]}, "orientation": "identity"}).positions
    vectors = zinc - zinc[np.argmin(np.linalg.norm(zinc, axis=1))]
    vectors = vectors[np.argsort(np.linalg.norm(vectors, axis=1))[1:13]]
    np.testing.assert_allclose(vectors[:6, 2], 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vectors[:6], axis=1), 2.66, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(vectors[6:], axis=1), 2.91, atol=0.02)
