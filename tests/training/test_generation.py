import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from pann.core import AtomicModel, ConfigError
from pann.io import write_atoms
from pann.simulation.config import SimulationConfig
from pann.simulation.datasets import DataSet
from pann.training.generation import run, simulation_values


@pytest.fixture
def configuration(repository: Path, tmp_path: Path) -> Any:
    """Compose conf/simulate.yaml with overrides."""

    def made(*overrides: str) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
            return compose("simulate", [*overrides, f"output={tmp_path / 'set'}"])

    return made


@pytest.fixture
def recipes(repository: Path) -> Path:
    return repository / "conf" / "simulation"


def test_presets_are_whole_configurations(configuration: Any, recipes: Path, repository: Path) -> None:
    configs = {
        path.stem: SimulationConfig.from_mapping(simulation_values(configuration(f"preset={path.stem}"), recipes))
        for path in (repository / "conf" / "preset").glob("*.yaml")
    }
    assert set(configs) == {"demo", "small", "paper", "realism"}
    assert configs["realism"].scatters
    assert len(configs["paper"].cells) * 5 == configuration("preset=paper").n_samples >= 42_588
    assert set(configs["paper"].noise) == {"clean", "mild", "experimental", "harsh"}


def test_short_keys_replace_whole_axes(configuration: Any, recipes: Path) -> None:
    cfg = configuration("structure=[janus,rod]", "tilts=full", "noise=[clean,harsh]", "dose=[50,100]", "tier=windowed")
    config = SimulationConfig.from_mapping(simulation_values(cfg, recipes))
    assert (list(config.structures), list(config.tilts), list(config.noise)) == (
        ["janus", "rod"],
        ["full"],
        ["clean", "harsh"],
    )
    assert config.dose.levels == (50, 100)
    assert config.tier["name"] == "windowed"


def test_a_file_of_atoms_is_imaged_and_shown(
    configuration: Any, recipes: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "cube.xyz"
    corners = [[x, y, z] for x in (0, 3) for y in (0, 3) for z in (0, 3)]
    write_atoms(path, AtomicModel(corners, [78] * 8))
    run(configuration(f"structure={path}", "tilts=sparse", "noise=clean", "n_samples=1", "show=true"), recipes)
    assert "1 samples in" in capsys.readouterr().out
    truth = DataSet(tmp_path / "set")(0).truth
    assert truth.composition() == {"Pt": 8}
    page = (tmp_path / "set" / "page.html").read_text()
    assert all(name in page for name in ("50 e/Å²", "5000 e/Å²", "clean", "harsh"))


def test_a_dry_run_writes_nothing(
    configuration: Any, recipes: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run(configuration("preset=demo", "n_samples=2", "shard_size=1", "tilts=sparse", "dry_run=true"), recipes)
    assert "2 samples of 21 images in 2 shards" in capsys.readouterr().out
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("structure=jannus", "did you mean janus"),
        ("structure=nothing.xyz", "no such file"),
        ("tilts=ful", "did you mean full"),
        ("dose=-3", "positive"),
        ("noise=loud", "choose from clean"),
    ],
)
def test_names_that_do_not_exist_are_refused(configuration: Any, recipes: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(configuration(override), recipes)


def test_the_script_says_what_is_wrong(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(repository / "scripts" / "simulate.py"), "n_samples=0", f"output={tmp_path / 'x'}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: n_samples=0")
