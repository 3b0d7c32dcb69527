"""The scripts around the refiner: arguments in, tables out, status 2 on what the user can mend."""

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml

from pann.core import TiltSeries
from pann.io import Weights, save_weights, write_atoms, write_tilt_series
from pann.refiner import GlobalLocalResUNet
from pann.simulation import Microscope, Views
from pann.simulation.imaging.linear import LinearTier
from tests.pipeline.conftest import lattice


def load(repository: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_script", repository / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load(repository, "evaluate_refiner")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test set of one series: 27 atoms in 15 images, without noise."""
    path = tmp_path_factory.mktemp("test_series")
    truth, tilts = lattice(), np.arange(-70, 71, 10.0)
    fractions = LinearTier(thermal_sigma=0.07).fractions(truth, Views(tilts, (36, 34), 0.4), Microscope())
    metadata = {"thermal_sigma": 0.07, "microscope": Microscope().to_dict()}
    write_tilt_series(path / "tiny.h5", TiltSeries(fractions, tilts, 0.4, "intensity", name="tiny", metadata=metadata))
    write_atoms(path / "tiny_truth.xyz", truth)
    return path


def test_tables_by_dose_and_series(
    script: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = [f"folder={folder}", f"output={tmp_path}", "refiners=[]", "stages=[trace]", "doses=[3e4]"]
    assert script.main([*words, "high_doses=[1e5]", "every=2", "limit=65", "seeds=[0,1]", "radius=0.5"]) == 0
    out = capsys.readouterr().out
    assert out == (tmp_path / "tables.md").read_text() + "\n"
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| ")]
    assert [line[:4] for line in lines if line[1] == "network-free"] == [
        ["30000", "network-free", "2", "54"],
        ["100000", "network-free", "2", "54"],
        ["tiny", "network-free", "4", "108"],
    ]
    assert (tmp_path / "rows.csv").read_text().count(",trace,7,27,") == 4


def test_a_recipe_holds_for_every_arm(script: ModuleType, tmp_path: Path) -> None:
    weights = tmp_path / "a.safetensors"
    weights.touch()
    ways = script.arms(script.Options(refiners=[str(weights)], names=["net"], method="sirt", iterations=7))
    for arm in ways:
        recipe = arm.overrides[-5:]
        assert recipe[0] == "reconstruction.method=sirt"
        assert "reconstruction.iterations=7" in recipe
        assert "reconstruction.stall=null" in recipe
    assert [arm.name for arm in ways] == ["network-free", "net"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["doze=[1]"], "there is no 'doze'; did you mean doses?"),
        (["refiners=[nowhere.safetensors]"], "nowhere.safetensors does not exist"),
        (["refiners=[]", "names=[a]"], "1 names for 0 refiners"),
        (["refiners=[]", "series=[tinny]"], "there is no tinny: choose from tiny"),
        (["refiners=[]", "limit=5"], "1 of 15 tilts are left"),
        (["refiners=[]", "method=magic", "doses=[3e4]"], "reconstruction.method is 'magic'"),
        (["refiners=[]", "folder=."], "holds no series"),
    ],
)
def test_status_2_and_one_line(
    script: ModuleType,
    folder: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert script.main([f"folder={folder}", f"output={tmp_path}", "high_doses=[]", *words]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert message in err


def test_help_explains_every_key(repository: Path, script: ModuleType, capsys: pytest.CaptureFixture) -> None:
    for module in (script, load(repository, "tune_baseline")):
        assert module.main(["--help"]) == 0
        out = capsys.readouterr().out
        assert set(module.HELP) == {item.name for item in fields(module.Options)}
        assert all(f"  {key}=" in out for key in module.HELP)


def test_tuning_puts_the_better_setting_first(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tuning = load(repository, "tune_baseline")
    words = [f"output={tmp_path}", "particles=1", "atoms=[20,25]", "doses=[2000]"]
    assert tuning.main([*words, "base=[tracing.smoothing=0.5]", "grid=[tracing.threshold=1e9|auto]"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| settings | 2000 e/Å² | all | inner | surface |")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["tracing.threshold=auto", "tracing.threshold=1e9"]
    assert lines[3].split("|")[3].strip() == "100.0"
    assert tuning.main([*words, "grid=[tracing.threshold]"]) == 2
    assert "not of the form key=value|value" in capsys.readouterr().err


def test_the_cost_is_that_of_the_weights(repository: Path, tmp_path: Path) -> None:
    cost = load(repository, "benchmark_refiner")
    values = yaml.safe_load((repository / "conf/model/refiner_tiny.yaml").read_text())
    arguments = {key: value for key, value in values.items() if not key.startswith("_")}
    net = GlobalLocalResUNet(**arguments)
    card = {"data": {"recipe": {"voxel_size": 0.4}, "sigma": 0.5}}
    save_weights(tmp_path / "tiny.safetensors", Weights("refiner", arguments, net.state_dict(), card))
    threads = torch.get_num_threads()
    row = cost.measure(cost.Case(str(tmp_path / "tiny.safetensors"), 24, threads, "cpu", "float32", 1))
    assert row.parameters == sum(weight.numel() for weight in net.parameters())
    assert 0 < row.before <= row.peak
    assert row.seconds > 0
