import numpy as np
import pytest
from scipy.spatial import cKDTree

from pann.core import AtomicModel
from pann.core.random import generator
from pann.simulation.structures.network import tetrahedral_network
from tests.simulation.structures.measures import build, environments, inside, nearest, neighbours


def pair_distribution(model: AtomicModel, edges: np.ndarray) -> np.ndarray:
    """g(r) around the inner atoms, 1 at the mean density of the inner part."""
    inner = inside(model.positions, edges[-1])
    positions = model.positions
    vectors = np.linalg.norm(positions[inner][:, None] - positions[None], axis=2)
    counts, _ = np.histogram(vectors[vectors > 0.1], edges)
    volume = 4 / 3 * np.pi * np.diff(edges**3)
    radius = np.linalg.norm(positions, axis=1)
    reach = radius.max() - 1.5
    density = (radius < reach).sum() / (4 / 3 * np.pi * reach**3)
    return counts / volume / inner.sum() / density


def test_a_metallic_glass_has_short_range_order_only() -> None:
    model = build({"n_atoms": 1500, "sites": "glass", "chemistry": {"kind": "random", "elements": ["Ni"]}})
    diameter = model.metadata["bond"]
    g = pair_distribution(model, np.array([0.5, 0.8, 0.9, 1.1, 1.3, 1.5, 1.65, 2.05, 2.25, 2.5]) * diameter)
    assert g[0] == 0  # hard cores
    assert g[2] > 2.5  # nearest neighbours, one diameter apart
    assert g[4] < 0.9  # the gap where fcc has its second shell, at sqrt(2)
    assert g[6] > 1.05  # second shell, from sqrt(3) to 2
    assert g[8] == pytest.approx(1, abs=0.15)
    kinds = environments(model.positions, diameter)
    assert np.isin(kinds, ["fcc", "hcp"]).mean() < 0.05
    around = neighbours(model.positions, 1.35 * diameter)[inside(model.positions, 5.0)]
    assert 11 < around.mean() < 14


def test_a_glass_has_the_sizes_and_shares_of_its_elements() -> None:
    chemistry = {"kind": "random", "elements": ["Zr", "Cu"], "fractions": [0.5, 0.5]}
    model = build({"n_atoms": 800, "sites": "glass", "chemistry": chemistry})
    assert model.composition()["Zr"] == pytest.approx(400, abs=70)
    large, small = (model.positions[model.numbers == number] for number in (40, 29))
    assert np.median(nearest(large)) > np.median(nearest(small)) + 0.3  # 3.18 and 2.55 Å


def test_the_silicon_network() -> None:
    positions, bonds, ball = tetrahedral_network(400, 2.35, generator(1, "network"))
    inner = np.linalg.norm(positions, axis=1) < ball - 3
    degree = np.bincount(bonds.ravel(), minlength=400)
    assert degree.max() == 4
    assert (degree[inner] == 4).mean() > 0.9
    lengths = np.linalg.norm(positions[bonds[:, 0]] - positions[bonds[:, 1]], axis=1)
    assert lengths.mean() == pytest.approx(2.35, abs=0.02)
    assert lengths.std() < 0.13
    around = neighbours(positions, 2.85)[inner]
    assert 3.9 < around.mean() < 4.3
    assert (around == 4).mean() > 0.65
    assert nearest(positions).min() > 1.9
    # Between the first and the second shell (2.35 and 3.84 Å) there are few.
    gaps = cKDTree(positions).query(positions[inner], k=[5, 6])[0]
    assert np.median(gaps[:, 1]) > 3.0


def test_silica_is_a_network_of_corner_sharing_tetrahedra() -> None:
    model = build({"n_atoms": 600, "sites": "silica"})
    assert model.composition() == {"O": 400, "Si": 200}
    silicon, oxygen = (model.positions[model.numbers == number] for number in (14, 8))
    inner = inside(model.positions, 5.0)
    around_silicon = neighbours(silicon, 2.0, oxygen)[inner[model.numbers == 14]]
    around_oxygen = neighbours(oxygen, 2.0, silicon)[inner[model.numbers == 8]]
    assert (around_silicon == 4).mean() > 0.85
    assert (around_oxygen == 2).mean() > 0.95
    nearest_oxygen = cKDTree(oxygen).query(silicon)[0]
    assert nearest_oxygen.mean() == pytest.approx(1.61, abs=0.03)
    corners = oxygen[cKDTree(oxygen).query(silicon[inner[model.numbers == 14]], k=4)[1]]
    edges = np.linalg.norm(corners[:, :, None] - corners[:, None], axis=-1)[:, ~np.eye(4, dtype=bool)]
    assert edges.mean() == pytest.approx(1.61 * (8 / 3) ** 0.5, abs=0.06)


def test_a_partly_crystalline_particle_has_a_crystal_within() -> None:
    model = build(
        {
            "n_atoms": 1000,
            "sites": {"kind": "partly_crystalline", "lattice": "fcc", "crystalline": 0.4},
            "chemistry": {"kind": "random", "elements": ["Pd"]},
        }
    )
    kinds = environments(model.positions, model.metadata["bond"])
    radius = np.linalg.norm(model.positions, axis=1)
    core = radius < radius.max() * 0.4 ** (1 / 3) - 4.0
    assert (kinds[core] == "fcc").mean() > 0.95
    assert (kinds[radius > radius.max() - 4] == "fcc").mean() < 0.05
    assert model.metadata["sites"]["crystalline_atoms"] == 400
    assert nearest(model.positions).min() > 0.75 * model.metadata["bond"]
