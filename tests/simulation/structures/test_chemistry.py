from typing import Any

import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.core.random import generator
from pann.simulation.structures.alloys import by_order, ordered, random_alloy
from pann.simulation.structures.particle import Composition
from tests.simulation.structures.measures import build, neighbours

STILL = {"sites": {"kind": "crystal", "lattice": "fcc"}, "orientation": "identity"}


def particle(chemistry: dict[str, Any], n_atoms: int = 800, **stages: Any) -> AtomicModel:
    return build(STILL | {"n_atoms": n_atoms, "chemistry": chemistry} | stages)


def unlike_share(model: AtomicModel) -> float:
    """Share of the nearest-neighbour pairs whose atoms differ."""
    cutoff = 1.1 * model.metadata["bond"]
    alike = sum(
        neighbours(model.positions[model.numbers == number], cutoff).sum() for number in np.unique(model.numbers)
    )
    return float(1 - alike / neighbours(model.positions, cutoff).sum())


def test_compositions_and_sequences_are_exact() -> None:
    rng = generator(1, "alloy")
    numbers = by_order(np.arange(100.0), (28, 78), (0.4, 0.6), 0.0, rng)
    assert (numbers[:40] == 28).all()
    assert (numbers[40:] == 78).all()
    assert ordered([0, 1, 0, 2], (26, 78), 0.0, rng).tolist() == [26, 78, 26, 78]
    swapped = ordered(np.arange(1000) % 2, (26, 78), 0.5, rng)
    assert (swapped == 26).sum() == 500
    assert (random_alloy(20_000, (1, 2), (1, 3), rng) == 2).mean() == pytest.approx(0.75, abs=0.02)
    with pytest.raises(InputError, match="composition"):
        random_alloy(3, (1, 2), (1.0,), rng)


def test_a_solid_solution_has_no_preference() -> None:
    model = particle({"kind": "random", "elements": ["Pt", "Ni"], "fractions": [0.3, 0.7]}, 2000)
    share = model.composition()["Pt"] / len(model)
    assert share == pytest.approx(0.3, abs=0.04)
    assert unlike_share(model) == pytest.approx(2 * share * (1 - share), abs=0.03)


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0])
def test_long_range_order_parameter(order: float) -> None:
    """S = P(A on its sublattice) - P(A on the other), by the atoms' places in the perfect cell of edge a."""
    chemistry = {"kind": "ordered", "elements": ["Fe", "Pt"], "order": order}
    sites = {"kind": "crystal", "lattice": "l10", "lattice_constant": 3.8, "centre": "site"}
    model = particle(chemistry, 2500, sites=sites)
    heights = np.round((model.positions[:, 2] - model.positions[0, 2]) / 1.9).astype(int)
    even, iron = heights % 2 == 0, model.numbers == 26
    assert abs(iron[even].mean() - iron[~even].mean()) == pytest.approx(order, abs=0.06)


@pytest.mark.parametrize(
    ("lattice", "elements", "formula", "unlike"),
    [
        ("l12", ["Cu", "Au"], {"Cu": 0.75, "Au": 0.25}, 0.5),  # Au: 12 of 12, Cu: 4 of 12 neighbours differ
        ("l10", ["Co", "Pt"], {"Co": 0.5, "Pt": 0.5}, 8 / 12),
        ("b2", ["Ni", "Al"], {"Ni": 0.5, "Al": 0.5}, 1.0),
    ],
)
def test_ordered_alloys(lattice: str, elements: list[str], formula: dict[str, float], unlike: float) -> None:
    sites = {"kind": "crystal", "lattice": lattice}
    model = particle({"kind": "ordered", "elements": elements}, 1500, sites=sites)
    for symbol, share in formula.items():
        assert model.composition()[symbol] / len(model) == pytest.approx(share, abs=0.03)
    assert unlike_share(model) == pytest.approx(unlike, abs=0.03)


def test_compounds_add_an_anion() -> None:
    for index, lattice in enumerate(["rocksalt", "zincblende", "perovskite", "fluorite"]):
        chemistry = {"kind": "compound", "elements": ["Ba", "Ti"], "anions": ["O", "F"]}
        recipe = STILL | {"n_atoms": 600, "sites": {"kind": "crystal", "lattice": lattice}, "chemistry": chemistry}
        model = build(recipe, index)
        composition = model.composition()
        assert model.metadata["chemistry"]["anion"] in composition
        anion = sum(composition.get(symbol, 0) for symbol in ("O", "F"))
        expected = {"rocksalt": 1 / 2, "zincblende": 1 / 2, "perovskite": 3 / 5, "fluorite": 2 / 3}[lattice]
        assert len(composition) == (3 if lattice == "perovskite" else 2)
        assert anion / 600 == pytest.approx(expected, abs=0.04)


def test_occupants_of_sublattices() -> None:
    assert Composition((26, 78)).occupants(3) == (26, 78, 78)
    assert Composition((56, 22), anion=8).occupants(3) == (56, 22, 8)
    assert Composition((56, 22), anion=8).occupants(2) == (56, 8)


def test_core_shell_and_janus_are_sorted() -> None:
    halves = {"elements": ["Au", "Ag"], "fractions": [0.5, 0.5], "mixing": 0.0}
    core = particle({"kind": "core_shell"} | halves)
    radius = np.linalg.norm(core.positions, axis=1)
    assert radius[core.numbers == 79].max() <= radius[core.numbers == 47].min() + 0.6  # the mean atom is not zero
    janus = particle({"kind": "janus", "axis": [1, 1, 1]} | halves)
    along = janus.positions @ np.ones(3)
    assert along[janus.numbers == 79].max() <= along[janus.numbers == 47].min() + 1e-9
    assert core.composition() == janus.composition() == {"Ag": 400, "Au": 400}


def test_a_gradient_is_between_sorted_and_mixed() -> None:
    chemistry = {"kind": "gradient", "elements": ["Au", "Ag"], "fractions": [0.5, 0.5], "direction": "radial"}
    model = particle(chemistry | {"mixing": 0.5}, 2000)
    radius = np.linalg.norm(model.positions, axis=1)
    shells = np.array_split(np.argsort(radius), 4)
    shares = [float((model.numbers[shell] == 79).mean()) for shell in shells]
    assert shares == sorted(shares, reverse=True)
    assert 0.55 < shares[0] < 0.98
    assert 0.02 < shares[-1] < 0.45


def test_segregation_goes_to_atoms_with_few_neighbours() -> None:
    chemistry = {"kind": "segregated", "elements": ["Ni", "Pt"], "fractions": [0.6, 0.4], "mixing": 0.5}
    model = particle(chemistry)
    around = neighbours(model.positions, 1.2 * model.metadata["bond"])
    assert (model.numbers[around == 12] == 78).mean() < 0.15
    assert (model.numbers[around < 9] == 78).mean() > 0.85


def test_domains_are_of_one_element_inside() -> None:
    chemistry = {"kind": "domains", "elements": ["Cu", "Ag"], "fractions": [0.5, 0.5], "length": 1.0, "mixing": 0.0}
    assert unlike_share(particle(chemistry, 2000)) < 0.2  # 0.5 in a solid solution


def test_alloys_are_drawn_from_a_table() -> None:
    chemistry = {"kind": "random", "elements": {"choose": [1, 6], "from": "metals"}}
    recipe = STILL | {"n_atoms": 300, "chemistry": chemistry}
    counts = [len(build(recipe, index).composition()) for index in range(60)]
    assert set(counts) == {1, 2, 3, 4, 5, 6}


def test_antisites_keep_the_stoichiometry() -> None:
    recipe = STILL | {"n_atoms": 1000, "sites": {"kind": "crystal", "lattice": "Cu3Au"}}
    perfect, mixed = (build(recipe | {"chemistry": {"kind": "stoichiometric", "antisites": x}}) for x in (0, 0.8))
    assert perfect.composition() == mixed.composition()
    assert unlike_share(mixed) < unlike_share(perfect) - 0.05
