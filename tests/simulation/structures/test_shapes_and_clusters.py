import numpy as np
import pytest
from ase.cluster import wulff_construction

from pann.core import InputError
from pann.core.random import generator
from pann.simulation.structures.clusters import FAMILIES, choices
from pann.simulation.structures.cutting import cut_block
from pann.simulation.structures.lattices import PROTOTYPES
from pann.simulation.structures.shapes import SHAPES, random_shape, rod, wulff
from tests.simulation.structures.measures import build, environments, inside, neighbours

GOLD = PROTOTYPES["fcc"].stretched(4.08)


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        ("sphere", 4.1, 4.3),
        ("ellipsoid", 4.0, 4.4),  # half axes of product one
        ("rough", 2.8, 6.0),
        ("cuboid", 7.8, 8.2),
        ("polyhedron", 4.19, 1.34**3 * 6.93),  # around a ball; within the octahedron with facets at 1.34
    ],
)
def test_volumes_of_shapes_and_their_scaling(shape: str, least: float, most: float) -> None:
    points = generator(2, shape).uniform(-2, 2, size=(40_000, 3))
    level = random_shape(shape, generator(3, shape))
    volume = (level(points) < 1).mean() * 64
    assert least < volume < most
    np.testing.assert_allclose(level(2.5 * points[:50]), 2.5 * level(points[:50]))


def test_there_is_no_other_shape() -> None:
    assert "flake" in SHAPES.kinds
    with pytest.raises(InputError, match="no shape 'foam'"):
        random_shape("foam", generator(1, "x"))


@pytest.mark.parametrize("size", [200, 500])
def test_wulff_shapes_are_those_of_ase(size: int) -> None:
    energies = {"100": 1.1, "111": 1.0}
    theirs = wulff_construction("Au", [(1, 0, 0), (1, 1, 1)], [1.1, 1.0], size, "fcc", latticeconstant=4.08).positions
    theirs = theirs - theirs.mean(axis=0)
    centre = theirs[np.argmin(np.linalg.norm(theirs, axis=1))]
    level = wulff(GOLD, generator(1, "w"), energies, 0.0)
    # The same centre in the cell, and as many atoms.
    origin = -centre / 4.08
    ours, _ = cut_block(lambda radius: GOLD.ball(radius, origin), level, len(theirs), GOLD.density, GOLD.bond)
    distances = np.linalg.norm(ours[:, None] - theirs[None], axis=2).min(axis=1)
    assert (distances < 1e-6).mean() > 0.97


def test_a_rod_is_as_long_as_asked() -> None:
    level = rod(GOLD, generator(1, "r"), 3.0, [0, 0, 1])
    atoms, _ = cut_block(lambda radius: GOLD.ball(radius, (0.3, 0.1, 0.2)), level, 900, GOLD.density, GOLD.bond)
    extent = np.ptp(atoms, axis=0)
    assert extent[2] / extent[:2].mean() == pytest.approx(3.0, rel=0.15)


def test_flakes_have_whole_layers() -> None:
    for layers in (1, 2, 3):
        shape = {"kind": "flake", "layers": layers, "outline": "hexagon"}
        recipe = {
            "n_atoms": 400,
            "sites": {"kind": "crystal", "lattice": "MoS2"},
            "shape": shape,
            "orientation": "identity",
        }
        model = build(recipe)
        metal = model.positions[model.numbers == 42]
        heights = np.unique(np.round(metal[:, 2], 3))
        assert len(heights) == layers
        np.testing.assert_allclose(np.diff(heights), 12.295 / 2, atol=2e-3)
        sulphur = model.positions[model.numbers == 16]
        inner = np.linalg.norm(metal[:, :2], axis=1) < 0.5 * np.linalg.norm(metal[:, :2], axis=1).max()
        assert set(neighbours(metal[inner], 2.6, sulphur)) == {6}
        assert model.composition()["S"] == pytest.approx(2 * model.composition()["Mo"], rel=0.15)


@pytest.mark.parametrize(
    ("family", "asked", "size"),
    [
        ("octahedron", 150, 146),
        ("truncated_octahedron", 201, 201),
        ("truncated_octahedron", 38, 38),
        ("cuboctahedron", 309, 309),
        ("icosahedron", 500, 561),
        ("decahedron", 192, 192),
        ("rhombic_dodecahedron", 530, 539),
        ("hcp_polyhedron", 300, 307),
    ],
)
def test_clusters_have_magic_sizes(family: str, asked: int, size: int) -> None:
    recipe = {
        "n_atoms": asked,
        "sites": {"kind": "cluster", "family": family},
        "chemistry": {"kind": "random", "elements": ["Pt"]},
    }
    models = [build(recipe, index) for index in range(4)]
    assert size in {len(model) for model in models}
    around = 8 if family == "rhombic_dodecahedron" else 12
    model = models[0]
    assert neighbours(model.positions, 1.15 * model.metadata["bond"]).max() == around


def test_sizes_follow_the_formulas() -> None:
    for family in FAMILIES:
        for numbers in choices(family, 300):
            assert any(numbers in members for members in FAMILIES[family][2]().values())
            atoms = FAMILIES[family][1](*numbers)
            assert numbers in FAMILIES[family][2]()[len(atoms)]


def test_octahedra_are_fcc_and_decahedra_have_a_fivefold_axis() -> None:
    pure = {"kind": "random", "elements": ["Au"]}
    octahedron = build({"n_atoms": 489, "sites": {"kind": "cluster", "family": "octahedron"}, "chemistry": pure})
    kinds = environments(octahedron.positions, octahedron.metadata["bond"])
    assert set(kinds[inside(octahedron.positions, 9.0)]) == {"fcc"}
    decahedron = build(
        {"n_atoms": 609, "sites": {"kind": "cluster", "family": "decahedron"}, "chemistry": pure}
        | {"orientation": "identity"}
    )
    turn = 2 * np.pi / 5
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    turned = decahedron.positions @ rotation.T
    distances = np.linalg.norm(turned[:, None] - decahedron.positions[None], axis=2).min(axis=1)
    assert distances.max() < 1e-6
