import json
import logging
from typing import Any

import numpy as np
import pytest
import yaml

from pann.core import ConfigError, InputError
from pann.core.random import generator
from pann.simulation.structures import build_structure, check_recipe
from pann.simulation.structures.chemistry import CHEMISTRY
from pann.simulation.structures.displacements import DISORDER
from pann.simulation.structures.lattices import PROTOTYPES
from pann.simulation.structures.orientation import ORIENTATIONS
from pann.simulation.structures.planar import PLANAR
from pann.simulation.structures.point_defects import POINT
from pann.simulation.structures.recipe import OPTIONS, STAGES
from pann.simulation.structures.shapes import SHAPES
from pann.simulation.structures.sites import SITES
from tests.simulation.structures.measures import FOLDER, FROM_FILES, NAMES, build, nearest, shipped

SIMPLE: dict[str, Any] = {
    "n_atoms": 100,
    "sites": {"kind": "crystal", "lattice": "fcc"},
    "chemistry": {"kind": "random", "elements": ["Pt"]},
}


def atoms_asked_for(recipe: dict[str, Any], path: list[str]) -> list[float]:
    """Range of n_atoms of a recipe, or of the member of its mixture that was drawn."""
    entry = recipe["mixture"][path[0]] if path else {}
    return list(np.atleast_1d(entry.get("n_atoms", recipe.get("n_atoms"))))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FROM_FILES])
def test_shipped_recipes(name: str) -> None:
    recipe = shipped(name)
    check_recipe(recipe)
    for index in range(2):
        model = build(recipe, index)
        low, high = atoms_asked_for(recipe, model.metadata.get("mixture", []))
        # Point defects take and add atoms; clusters have magic sizes.
        assert 0.6 * low <= len(model) <= 1.15 * high
        assert nearest(model.positions).min() >= 1.5
        assert model.metadata["dropped_close_pairs"] <= 0.02 * len(model)
        np.testing.assert_allclose(model.positions.mean(axis=0), 0, atol=1e-9)
        again = build(recipe, index)
        assert (model.positions == again.positions).all()
        assert (model.numbers == again.numbers).all()
        assert yaml.safe_load(yaml.safe_dump(model.metadata)) == model.metadata == again.metadata
        assert json.loads(json.dumps(model.metadata))["n_atoms"] == model.metadata["n_atoms"]


def test_at_least_26_recipes_begin_with_a_comment() -> None:
    assert len(NAMES) >= 26
    for name in NAMES:
        assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").startswith("# "), name


@pytest.mark.parametrize("name", FROM_FILES)
def test_recipes_that_wait_for_a_file_say_so(name: str) -> None:
    assert shipped(name)["sites"]["path"] == "???"
    with pytest.raises(InputError, match=r"\?\?\?"):
        check_recipe(shipped(name))


def test_another_state_of_the_generator_is_another_particle() -> None:
    rng = generator(1, "stream")
    first, second = build_structure(shipped("default"), rng), build_structure(shipped("default"), rng)
    assert first.positions.shape != second.positions.shape or (first.positions != second.positions).any()


def test_the_default_recipe_keeps_its_breadth() -> None:
    models = [build(shipped("default") | {"n_atoms": 60}, index) for index in range(120)]
    families = [model.metadata["mixture"][0] for model in models]
    assert set(families) == {"crystal", "ordered", "bicrystal", "cluster", "compound", "glass", "network"}
    assert families.count("crystal") / 120 == pytest.approx(3 / 10.5, abs=0.13)
    assert len({number for model in models for number in model.numbers.tolist()}) > 30
    assert {len(model.composition()) for model in models} == {1, 2, 3}


def test_numbers_of_atoms_are_drawn_log_uniformly() -> None:
    sizes = [len(build(SIMPLE | {"n_atoms": [10, 1000]}, index)) for index in range(200)]
    assert np.mean(np.log10(sizes)) == pytest.approx(2, abs=0.12)
    assert (np.array(sizes) < 100).mean() == pytest.approx(0.5, abs=0.11)


def test_stages_beside_a_mixture_hold_for_its_members() -> None:
    recipe = SIMPLE | {
        "mixture": {
            "plain": {"weight": 0},
            "small": {"n_atoms": 50},
            "nested": {"mixture": {"inner": {"chemistry": {"kind": "random", "elements": ["Au"]}}}},
        }
    }
    models = [build(recipe, index) for index in range(20)]
    paths = {tuple(model.metadata["mixture"]) for model in models}
    assert paths == {("small",), ("nested", "inner")}
    assert {(len(model), *model.composition()) for model in models} == {(50, "Pt"), (100, "Au")}


def test_a_lattice_goes_with_any_shape_chemistry_and_defect() -> None:
    recipe = {
        "n_atoms": 200,
        "sites": {"kind": "crystal", "lattice": ["fcc", "bcc", "hcp"]},
        "shape": ["sphere", "ellipsoid", "rough", "wulff", "cuboid", "rod"],
        "chemistry": {"kind": ["random", "core_shell", "janus", "gradient", "segregated", "domains"]}
        | {"elements": {"choose": [1, 6], "from": "metals"}},
        "defects": {"twins": [0, 1], "grains": [1, 2], "vacancies": 0.02, "adatoms": 0.02, "interstitials": 0.01},
        "disorder": {"strain": 0.01, "strain_field": 0.01, "displacement": 0.05},
    }
    check_recipe(recipe)
    for index in range(12):
        model = build(recipe, index)
        assert 170 <= len(model) <= 215
        assert nearest(model.positions).min() >= 1.5


def test_dropped_atoms_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    sites = {"kind": "crystal", "lattice": "SOD"}
    with caplog.at_level(logging.INFO):
        model = build({"n_atoms": 200, "sites": sites, "disorder": {"displacement": 0.2}})
    assert model.metadata["dropped_close_pairs"] > 0
    assert f"dropped {model.metadata['dropped_close_pairs']} atoms" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_atom": 5}, "there is no 'n_atom'; did you mean n_atoms"),
        ({"sites": None}, "sites are not given"),
        ({"sites": "crystl"}, "did you mean crystal"),
        ({"sites": 3}, "expected the name of a kind"),
        ({"sites": {"lattice": "fcc"}}, "the key kind is not given"),
        ({"sites": {"kind": "crystal"}}, "lattice is not given"),
        ({"sites": {"kind": "crystal", "lattice": "fccc"}}, "did you mean fcc"),
        ({"sites": {"kind": "crystal", "lattice": []}}, "empty list"),
        ({"sites": {"kind": "crystal", "lattice": "fcc", "skale": 1}}, "did you mean scale"),
        ({"sites": {"kind": "crystal", "lattice": "fcc", "lattice_constant": 1.9}}, "1.34 Å apart"),
        (
            {"sites": {"kind": "crystal", "lattice": "rocksalt", "scale": 0.9}}
            | {"chemistry": {"kind": "compound", "elements": {"choose": 1, "from": ["Ba", "Be"]}, "anions": ["F"]}},
            "1.38 Å apart",
        ),
        ({"sites": {"kind": "crystal", "lattice": "fcc", "scale": [1.2, 0.9]}}, "begin with its lower end"),
        ({"n_atoms": None}, "n_atoms is not given"),
        ({"n_atoms": 0}, "whole number from 1"),
        ({"n_atoms": [50, 100.5]}, "whole number"),
        ({"n_atoms": "many"}, "whole number"),
        ({"n_atoms": float("nan")}, "whole number"),
        ({"chemistry": {"kind": "random", "elements": ["Pq"]}}, "no element 'Pq'; did you mean"),
        ({"chemistry": {"kind": "random", "elements": ["Pt", "Pt"]}}, "twice"),
        ({"chemistry": {"kind": "random", "elements": []}}, "expected symbols"),
        ({"chemistry": {"kind": "random", "elements": {"choose": 3, "from": ["Pt", "Ni"]}}}, "from 1 to 2"),
        ({"chemistry": {"kind": "random", "elements": {"chose": 1, "from": "metals"}}}, "did you mean choose"),
        ({"chemistry": {"kind": "random", "elements": ["Pt"], "fractions": [0.5, 0.5]}}, "one for each"),
        ({"chemistry": {"kind": "random", "elements": ["Pt", "Ni"], "fractions": [0, 0]}}, "must not all be zero"),
        ({"chemistry": {"kind": "random"}}, "elements is not given"),
        ({"chemistry": "stoichiometric"}, "fcc has no elements of its own"),
        ({"chemistry": {"kind": "ordered", "elements": ["Pt", "Ni"]}}, "fcc has 1 sublattices"),
        ({"chemistry": {"kind": "compound", "elements": ["Pt"]}}, "no sublattice for an anion"),
        ({"shape": "spere"}, "did you mean sphere"),
        ({"shape": {"kind": "wulff", "facets": {"11x": 1}}}, "no Miller indices"),
        ({"shape": {"kind": "flake"}}, "flake needs a layered crystal"),
        ({"shape": {"kind": "rod", "axis": [0, 0, 0]}}, "not all zero"),
        ({"defects": {"vacancy": 0.1}}, "did you mean vacancies"),
        ({"defects": {"vacancies": 1.5}}, "from 0 to 0.9"),
        ({"defects": {"vacancies": {"share": 0.1, "shape": 2}}}, "did you mean share"),
        ({"defects": {"adatoms": {"share": 0.1, "element": ["Xy"]}}}, "no element 'Xy'"),
        ({"defects": [0.1]}, "expected options by name"),
        ({"disorder": {"strain": 0.5}}, "from 0 to 0.2"),
        ({"disorder": {"displacements": 0.1}}, "did you mean displacement"),
        ({"disorder": {"thermal_sigma": {"Pt": -0.1}}}, "from 0 to 0.5"),
        ({"orientation": "zone_axes"}, "did you mean zone_axis"),
        ({"orientation": {"kind": "off_zone_axes", "tilt_limit": 120}}, "from 0 to 90"),
        ({"close_pairs": "ignore"}, "choose from drop, refuse"),
        ({"sites": "glass", "chemistry": {"kind": "janus", "elements": ["Pt"]}}, "a glass takes the kind random"),
        ({"sites": "glass", "defects": {"twins": 1}}, "only sites of kind crystal"),
        ({"sites": "glass", "orientation": {"kind": "zone_axis"}}, "no zone axes"),
        ({"sites": {"kind": "cluster", "family": "octahedron"}, "shape": "rod"}, "a shape of their own"),
        ({"sites": {"kind": "cluster", "family": "cube"}}, "choose from|did you mean"),
        ({"mixture": {"a": 3}}, "expected a recipe"),
        ({"mixture": []}, "mixture is empty"),
        ({"mixture": {"a": {"weight": 0}}}, "all weights are zero"),
        ({"mixture": {"a": {"weight": 1, "shape": "spere"}}}, "did you mean sphere"),
    ],
)
def test_wrong_recipes_are_refused_with_advice(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_recipe(SIMPLE | change)


def test_symbols_may_be_written_in_any_case() -> None:
    chemistry = {"kind": "random", "elements": ["pt", "NI"], "fractions": [0.5, 0.5]}
    model = build(SIMPLE | {"chemistry": chemistry, "disorder": {"thermal_sigma": {"PT": 0.06, "ni": 0.07}}})
    assert set(model.composition()) == {"Ni", "Pt"}
    assert model.metadata["thermal_sigma"] == {28: 0.07, 78: 0.06}


def test_a_recipe_must_be_a_mapping() -> None:
    with pytest.raises(ConfigError, match="expected options by name"):
        check_recipe("fcc")  # type: ignore[arg-type]


def test_the_last_atom_does_not_vanish_silently() -> None:
    with pytest.raises(InputError, match="left no atom"):
        build(SIMPLE | {"n_atoms": 1, "defects": {"vacancies": 0.9}}, 1)


def test_the_readme_names_every_kind_and_option() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for registry in (SITES, SHAPES, CHEMISTRY, PLANAR, POINT, ORIENTATIONS):
        for kind in registry.kinds.values():
            assert f"`{kind.name}`" in text
            assert all(option in text for option in kind.options), kind.name
    assert all(option in text for option in (*DISORDER.options, *PROTOTYPES, *OPTIONS.keys() - {"name"}, *STAGES))


def test_the_example_of_the_readme_builds() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    recipe = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    check_recipe(recipe)
    assert nearest(build(recipe).positions).min() > 1.5
