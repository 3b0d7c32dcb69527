from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from pann.core import AtomicModel
from pann.simulation.microscope import Microscope
from pann.training.generation import simulation_values

SHRUNK = [
    "simulation.structures.default.n_atoms=[40,60]",
    "simulation.structures.default.mixture.glass.weight=0",
    "simulation.tilts.wide.n_tilts=[4,6]",
    "simulation.margin=2.0",
    "noise=mild",
]
"""What makes the shipped configuration small."""


@pytest.fixture
def microscope() -> Microscope:
    return Microscope(energy=300e3, semiangle=25, inner=40, outer=95, source_sigma=0.30)


@pytest.fixture
def three_atoms() -> AtomicModel:
    return AtomicModel([[2.0, 1.2, 0.0], [-1.6, -2.0, 1.2], [0.8, -1.2, -2.0]], [78, 78, 28], name="three")


@pytest.fixture
def small_values(pytestconfig: pytest.Config) -> dict[str, Any]:
    """Plain values of the shipped configuration with small particles and few tilts."""
    conf = pytestconfig.rootpath / "conf"
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        values = simulation_values(compose("simulate", SHRUNK), conf / "simulation")
    values["noise"]["mild"]["defocus"]["on"] = False  # kernels out of focus take seconds to compute
    return values
