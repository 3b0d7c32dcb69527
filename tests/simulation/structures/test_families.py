import numpy as np
import pytest
from scipy.spatial import cKDTree

from pann.core import InputError
from pann.core.random import generator
from pann.simulation import FAMILIES, Disorder, random_particle
from pann.simulation.structures.alloys import by_order, ordered, random_alloy
from pann.simulation.structures.crystals import PROTOTYPES, crystal_sites
from pann.simulation.structures.disorder import coordination, keep_after_roughening, keep_apart
from pann.simulation.structures.orientation import angle_to_zone_axis, off_zone_axes
from pann.simulation.structures.packing import dense_packing, tetrahedral_network
from pann.simulation.structures.shapes import SHAPES, random_rotation, random_shape

NONE = Disorder(0, 0, 0, 0)
SOME = Disorder(0.03, 0.3, 0.01, 0.1)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_crystals_have_their_neighbour_distance_and_density(name: str) -> None:
    kind, bond = PROTOTYPES[name], 2.5
    positions, sites = crystal_sites(name, bond, 16.0, random_rotation(generator(1, name)))
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    inner = np.linalg.norm(positions, axis=1) < 12
    assert nearest.min() == pytest.approx(bond)
    if name != "perovskite":  # its A site is farther from all others
        np.testing.assert_allclose(nearest[inner], bond, rtol=1e-6)
    expected = kind.density * (kind.neighbour / bond) ** 3 * 4 / 3 * np.pi * 16**3
    assert len(positions) == pytest.approx(expected, rel=0.05)
    assert set(sites) == set(range(kind.n_sublattices))


@pytest.mark.parametrize(
    ("name", "neighbours"), [("fcc", 12), ("hcp", 12), ("bcc", 8), ("diamond", 4), ("rocksalt", 6)]
)
def test_coordination_of_crystals(name: str, neighbours: int) -> None:
    positions, _ = crystal_sites(name, 2.5, 10.0)
    inner = np.linalg.norm(positions, axis=1) < 6
    assert set(coordination(positions, 2.6)[inner]) == {neighbours}


@pytest.mark.parametrize("family", FAMILIES)
def test_particles_are_centred_and_hold_no_close_pairs(family: str) -> None:
    for index in range(4):
        model = random_particle(family, [78, 28, 13][: 1 + index % 3], 200, SOME, generator(5, family, index))
        assert 80 <= len(model) <= 330
        np.testing.assert_allclose(model.positions.mean(axis=0), 0, atol=1e-9)
        nearest = cKDTree(model.positions).query(model.positions, k=2)[0][:, 1]
        assert nearest.min() >= 1.5
        assert np.linalg.norm(model.positions, axis=1).max() < 25


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_about_the_volume_of_a_sphere(shape: str) -> None:
    points = generator(2, shape).uniform(-2, 2, size=(40_000, 3))
    level = random_shape(shape, generator(3, shape))(points)
    volume = (level < 1).mean() * 64
    assert volume == pytest.approx(4.19, rel=0.35 if shape != "polyhedron" else 0.8)


def test_exact_compositions_and_orders() -> None:
    rng = generator(1, "alloy")
    radius = np.arange(100.0)
    numbers = by_order(radius, (28, 78), (0.4, 0.6), 0.0, rng)
    assert (numbers[:40] == 28).all()
    assert (numbers[40:] == 78).all()
    assert ordered([0, 1, 0, 2], (26, 78), 0.0, rng).tolist() == [26, 78, 26, 78]
    swapped = ordered(np.arange(1000) % 2, (26, 78), 0.5, rng)
    assert (swapped == 26).sum() == 500
    assert (random_alloy(20_000, (1, 2), (1, 3), rng) == 2).mean() == pytest.approx(0.75, abs=0.02)
    with pytest.raises(InputError, match="composition"):
        random_alloy(3, (1, 2), (1.0,), rng)


def test_roughening_takes_surface_atoms_only() -> None:
    positions, _ = crystal_sites("fcc", 2.7, 12.0)
    keep = keep_after_roughening(positions, 3.3, 0.5, generator(1, "rough"))
    removed = positions[~keep]
    assert len(removed) > 20
    assert np.linalg.norm(removed, axis=1).min() > 8


def test_of_two_close_atoms_one_stays() -> None:
    keep = keep_apart(np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [9.0, 0, 0]]), 1.5)
    assert keep.tolist() == [True, False, True, True]


def test_packings() -> None:
    glass, ball = dense_packing(np.full(300, 1.4), 0.64, generator(1, "glass"))
    nearest = cKDTree(glass).query(glass, k=2)[0][:, 1]
    assert nearest.min() > 2.3
    assert np.linalg.norm(glass, axis=1).max() <= ball * (1 + 1e-9)
    network, ball = tetrahedral_network(300, 2.35, generator(1, "network"))
    nearest = cKDTree(network).query(network, k=2)[0][:, 1]
    assert np.median(nearest) == pytest.approx(2.35, abs=0.2)
    inner = np.linalg.norm(network, axis=1) < ball - 3
    assert 3.5 < coordination(network, 2.9)[inner].mean() < 5.5


def test_orientations_off_zone_axes() -> None:
    assert angle_to_zone_axis(np.eye(3), [0.0, 45.0, 10.0]) == pytest.approx([0, 0, 10], abs=1e-5)
    angles = np.arange(-60, 61, 5.0)
    assert angle_to_zone_axis(off_zone_axes(angles, generator(1, "o")), angles).min() > 10


@pytest.mark.parametrize(
    ("family", "elements", "message"), [("foam", [78], "no family"), ("glass", [], "at least one")]
)
def test_impossible_particles_are_refused(family: str, elements: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        random_particle(family, elements, 50, NONE, generator(1, "x"))


def test_disorder_limits_are_checked() -> None:
    with pytest.raises(InputError, match="vacancies"):
        Disorder(1.5, 0, 0, 0)
