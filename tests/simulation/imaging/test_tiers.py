from pathlib import Path

import pytest
import yaml

from pann.core import ConfigError
from pann.simulation.imaging.tiers import TIERS, tier_from_mapping


@pytest.mark.parametrize("name", TIERS)
def test_the_shipped_configurations_build(name: str, pytestconfig: pytest.Config) -> None:
    path: Path = pytestconfig.rootpath / "conf" / "simulation" / "tier" / f"{name}.yaml"
    tier = tier_from_mapping(yaml.safe_load(path.read_text()))
    assert isinstance(tier, TIERS[name])
    assert tier == TIERS[name](), "the defaults of the YAML file and of the class differ"


def test_elements_may_be_named_by_symbol() -> None:
    tier = tier_from_mapping({"name": "prism", "thermal_sigma": {"Pt": 0.065, 28: 0.07}})
    assert tier.thermal_sigma == {78: 0.065, 28: 0.07}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "choose from linear, prism"),
        ({"name": "prims"}, "did you mean prism"),
        ({"name": "prism", "windw": 9}, "did you mean window"),
        ({"name": "prism", "window": 4.0}, "cuts the probe"),
        ({"name": "windowed", "window": 2.0}, "6.0 Å"),
        ({"name": "multislice", "n_phonons": 0}, "at least one configuration"),
        ({"name": "multislice", "sampling": 0}, "sampling"),
        ({"name": "multislice", "potential": "kirkland"}, "exact or abtem"),
        ({"name": "windowed", "potential": "abtem", "device": "cuda"}, "potential=exact"),
        ({"name": "linear", "thermal_sigma": -0.1}, "thermal_sigma"),
        ({"name": "linear", "saturation": -1}, "saturation"),
        ({"name": "linear", "scale": [1.0, 0.0]}, "scale"),
    ],
)
def test_impossible_tiers_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tier_from_mapping(values)
