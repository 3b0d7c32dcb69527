"""The planning script: arguments in, table and files out, status 2 on what the user can mend."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pann.core import AtomicModel
from pann.io import write_atoms
from tests.fitting.fit_scene import particle


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("plan_dose_script", repository / "scripts" / "plan_dose.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.xyz"
    write_atoms(path, AtomicModel(particle(20) + 3.0, np.where(np.arange(20) % 2, 78, 28)))
    return path


SCHEME = ["pixel_size=0.4", "tilt_limit=60", "n_tilts=9", "doses=[200,800]", "limits=[60,90]"]


def test_a_plan_is_printed_and_written(
    script: ModuleType, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "plan"
    assert script.main([f"model={model}", *SCHEME, f"output={folder}"]) == 0
    out = capsys.readouterr().out
    rows = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("|")]
    header = [cell.strip() for cell in rows[0]]
    assert header[-3:] == ["Ni found [%]", "Pt found [%]", "Ni-Pt confused [%]"]
    first, second = (np.array([float(cell.replace(",", "")) for cell in row]) for row in rows[2:4])
    assert list(first[:2]) == [200, 1800]
    # four times the dose halves the bound
    assert first[2] / second[2] == pytest.approx(2, abs=0.03)
    assert second[-2] >= first[-2]
    assert out.strip() == (folder / "plan.md").read_text().strip()
    assert (folder / "plan.png").stat().st_size > 10_000


def test_angles_may_be_listed(script: ModuleType, model: Path, capsys: pytest.CaptureFixture) -> None:
    words = [f"model={model}", "pixel_size=0.4", "doses=[500]", "limits=[60]"]
    assert script.main([*words, "angles=[-60,-45,-30,-15,0,15,30,45,60]"]) == 0
    listed = capsys.readouterr().out
    assert script.main([*words, "tilt_limit=60", "n_tilts=9"]) == 0
    assert capsys.readouterr().out == listed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pixelsize=0.4"], "did you mean pixel_size"),
        (["doses"], "not of the form key=value"),
        (["pixel_size=wide"], "expected [Å] of the images"),
        (["pixel_size=-1", "tilt_limit=60", "n_tilts=9"], "expected a positive number"),
        (["pixel_size=0.4"], "the tilts are missing"),
        (["pixel_size=0.4", "tilt_limit=120", "n_tilts=9"], "at most 90"),
        ([*SCHEME, "doses=[many]"], "cannot be read"),
        ([*SCHEME, "doses=[0]"], "positive numbers"),
        ([*SCHEME, "inner=10"], "bright-field"),
        ([*SCHEME, "false_share=2"], "below 1"),
        ([], "pixel_size= is missing"),
    ],
)
def test_what_the_user_can_mend(
    script: ModuleType, model: Path, words: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert script.main([f"model={model}", *words]) == 2
    assert message in capsys.readouterr().err
