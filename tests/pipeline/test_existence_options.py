"""The shipped options of the existence tests are those that a Python user gets."""

import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pann.fitting.existence import decide_atoms
from pann.pipeline.fitting import LEAST_NEW, NEW_SHARE, _existence_options
from pann.pipeline.options import ChainOptions


def test_the_configuration_holds_the_defaults_of_the_tests(repository: Path) -> None:
    options = OmegaConf.to_container(OmegaConf.load(repository / "conf" / "existence" / "default.yaml"))
    assert isinstance(options, dict)
    assert options.pop("new_distance") is None
    parameters = inspect.signature(decide_atoms).parameters
    assert options == {name: parameters[name].default for name in options}
    fixed = {"series", "model", "new_distance", "log_odds", "background_images", "device", "progress", "fit_options"}
    assert set(options) == set(parameters) - fixed


@pytest.mark.parametrize(
    ("elements", "expected"), [((28, 78), NEW_SHARE * 2.48), ((7, 79), LEAST_NEW), ((), LEAST_NEW)]
)
def test_new_atoms_keep_a_bond_away(elements: tuple[int, ...], expected: float) -> None:
    groups = {"alignment": {}, "reconstruction": {}, "refiner": None, "tracing": {}, "classifier": None, "fit": None}
    options = ChainOptions(elements=elements, existence={"new_distance": None}, **groups)
    assert _existence_options(options)["new_distance"] == pytest.approx(expected)
