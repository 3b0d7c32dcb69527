import numpy as np
import pytest
from scipy.spatial import cKDTree

from pann.core.random import generator
from pann.simulation.structures.disorder import keep_after_roughening, keep_apart
from pann.simulation.structures.lattices import crystal_sites
from tests.simulation.structures.measures import build, nearest, neighbours

CRYSTAL = {
    "n_atoms": 800,
    "sites": {"kind": "crystal", "lattice": "fcc"},
    "chemistry": {"kind": "random", "elements": ["Pt"]},
    "orientation": "identity",
}


def test_vacancies_are_spread_over_the_particle() -> None:
    counts = [len(build(CRYSTAL | {"defects": {"vacancies": 0.1}}, index)) for index in range(20)]
    assert np.mean(counts) == pytest.approx(720, abs=3 * (800 * 0.09 / 20) ** 0.5)
    assert np.std(counts) == pytest.approx((800 * 0.09) ** 0.5, rel=0.5)


def test_roughening_takes_surface_atoms_only() -> None:
    positions, _ = crystal_sites("fcc", 2.7, 12.0)
    keep = keep_after_roughening(positions, 3.3, 0.5, generator(1, "rough"))
    removed = positions[~keep]
    assert len(removed) > 20
    assert np.linalg.norm(removed, axis=1).min() > 8


def test_of_two_close_atoms_one_stays() -> None:
    keep = keep_apart(np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 0, 0], [9.0, 0, 0]]), 1.5)
    assert keep.tolist() == [True, False, True, True]


@pytest.mark.parametrize("lattice", ["fcc", "bcc", "hcp"])
def test_adatoms_sit_in_hollows_of_the_surface(lattice: str) -> None:
    sites = {"kind": "crystal", "lattice": lattice}
    recipe = CRYSTAL | {"sites": sites, "defects": {"adatoms": {"share": 0.03, "element": ["W"]}}}
    model = build(recipe)
    bond, guests = model.metadata["bond"], model.numbers == 74
    assert guests.sum() == 24
    around = cKDTree(model.positions[~guests]).query(model.positions[guests], k=4)[0]
    np.testing.assert_allclose(around[:, :3], np.full((24, 3), bond), rtol=0.08)
    radius = np.linalg.norm(model.positions, axis=1)
    assert radius[guests].min() > 0.75 * radius[~guests].max()
    assert nearest(model.positions).min() > 0.89 * bond


def test_interstitials_lie_within_and_push_the_others() -> None:
    model = build(CRYSTAL | {"defects": {"interstitials": {"share": 0.01, "element": ["Ir"]}}})
    bond, guests = model.metadata["bond"], model.numbers == 77
    assert guests.sum() == 8
    assert nearest(model.positions).min() >= 0.78 * bond
    around = neighbours(model.positions[guests], 1.05 * bond, model.positions[~guests])
    assert around.min() >= 4
    radius = np.linalg.norm(model.positions, axis=1)
    assert radius[guests].max() < radius.max()
    perfect = build(CRYSTAL)
    moved = cKDTree(perfect.positions).query(model.positions[~guests] - model.positions[0] + perfect.positions[0])[0]
    assert np.median(moved) < 0.02  # the crystal around them stays


def test_substitution_replaces_only_the_named() -> None:
    sites = {"kind": "crystal", "lattice": "CeO2"}
    recipe = {"n_atoms": 900, "sites": sites}
    doped = build(recipe | {"defects": {"substitution": {"share": 0.3, "element": ["Zr"], "of": ["Ce"]}}})
    plain = build(recipe).composition()
    assert doped.composition()["O"] == plain["O"]
    assert doped.composition()["Zr"] == pytest.approx(0.3 * plain["Ce"], rel=0.2)
    assert doped.composition()["Zr"] + doped.composition()["Ce"] == plain["Ce"]
