import pytest
import yaml

from pann.core import AtomicModel
from pann.simulation import Microscope, SampleConfig


@pytest.fixture
def microscope() -> Microscope:
    return Microscope(energy=300e3, semiangle=25, inner=40, outer=95, source_sigma=0.30)


@pytest.fixture
def three_atoms() -> AtomicModel:
    return AtomicModel([[2.0, 1.2, 0.0], [-1.6, -2.0, 1.2], [0.8, -1.2, -2.0]], [78, 78, 28], name="three")


@pytest.fixture
def small_config(pytestconfig: pytest.Config) -> SampleConfig:
    """The shipped configuration with small particles and few tilts."""
    values = yaml.safe_load((pytestconfig.rootpath / "conf" / "simulation" / "default.yaml").read_text())
    return SampleConfig.from_mapping(values | {"n_atoms": [40, 60], "n_tilts": [4, 6]})
