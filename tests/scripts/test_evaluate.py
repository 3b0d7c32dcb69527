"""The evaluation script: arguments in, table and one JSON line out, status 2 on what the user can mend."""

import importlib.util
import json
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pann.core import AtomicModel
from pann.io import write_atoms


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluate_script", repository / "scripts" / "evaluate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A truth, and a model of it in another frame with one wrong element and one atom missing."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) * 2.5
    true = grid + rng.uniform(-0.3, 0.3, size=grid.shape)
    numbers = np.where(np.arange(27) % 2, 78, 28)
    write_atoms(tmp_path / "truth.xyz", AtomicModel(true, numbers))
    found = true[:, [1, 0, 2]] * [1, 1, -1] + [0.2, -0.1, 0.05]
    numbers[0] = 78
    write_atoms(tmp_path / "model.xyz", AtomicModel(found[:-1], numbers[:-1]))
    return tmp_path


def run(script: ModuleType, folder: Path, *words: str) -> int:
    return script.main([f"model={folder / 'model.xyz'}", f"truth={folder / 'truth.xyz'}", *words])


@pytest.mark.parametrize("frame", [["axes=[y,x,-z]"], ["axes=[y,x,z]", "flip=z"], ["axes=[y,x,z]", "flip=[z]"]])
def test_scores_in_the_frame_of_the_truth(
    script: ModuleType, folder: Path, frame: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert run(script, folder, *frame, f"output={folder / 'new' / 'scores.json'}") == 0
    out = capsys.readouterr().out
    scores = json.loads(out.splitlines()[-1])
    assert scores["matched"] == 26
    assert scores["precision"] == 1
    assert scores["rmsd_pm"] == pytest.approx(0, abs=1e-6)
    assert scores["confusion"] == {"Ni": {"Ni": 12, "Pt": 1}, "Pt": {"Pt": 13}}
    assert "recovery        96.30%" in out
    assert "true Ni         12 Ni, 1 Pt" in out
    assert json.loads((folder / "new" / "scores.json").read_text()) == scores


def test_another_frame_scores_badly_and_says_nan_as_null(
    script: ModuleType, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(script, folder, "radius=0.01", "register=false", "species=false") == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["matched"] == 0
    assert scores["rmsd_pm"] is None
    assert "species_acc" not in scores


def test_a_margin_counts_the_inner_atoms(script: ModuleType, folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(script, folder, "axes=[y,x,-z]", "margin=1") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["n_gt"] == 1
    assert run(script, folder, "axes=[y,x,-z]", "inside=[[-1,-1,-1],[6,6,1]]", "centre=false") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["n_gt"] == 9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["radiuss=1"], "there is no 'radiuss'; did you mean radius?"),
        (["qqq=1"], "there is no 'qqq'; choose from model, truth"),
        (["radius"], "'radius' is not of the form key=value"),
        (["radius=far"], "radius=far cannot be read: expected matching radius"),
        (["radius=-1"], "radius is -1.0"),
        (["register=perhaps"], "register=perhaps cannot"),
        (["axes=[x,y]"], "axes is [x,y]"),
        (["axes=[x,y"], "axes=[x,y cannot be read"),
        (["flip=w"], "flip is w"),
        (["inside=[1,2]"], "inside=[1, 2] has another shape"),
        (["inside=[[1,2],[3]]"], "inside=[[1, 2], [3]] cannot be read"),
        (["margin=30"], "inside is"),
        (["truth=nowhere.xyz"], "nowhere.xyz does not exist"),
        (["output=."], "output=. is a folder"),
    ],
)
def test_status_2_and_one_line(
    script: ModuleType, folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(script, folder, *words) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_missing_files_are_asked_for(script: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert script.main([]) == 2
    assert "model= is missing: file of the atoms to score" in capsys.readouterr().err


def test_help_explains_every_key(script: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert script.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert set(script.HELP) == {item.name for item in fields(script.Options)}
    assert all(f"  {key}=" in out for key in script.HELP)


@pytest.mark.public_data
@pytest.mark.parametrize(("dose", "published"), [("1p6e4", 17.3), ("1p6e5", 4.2)])
def test_published_models_have_their_published_scores(
    script: ModuleType, public_data: Path, dose: str, published: float, capsys: pytest.CaptureFixture
) -> None:
    folder = public_data / "asi208"
    words = ["radius=0.9", "pixel_size=0.065", "axes=[y,x,z]"]
    model, truth = folder / f"published_model_dose{dose}.mat", folder / "ground_truth.txt"
    assert script.main([f"model={model}", f"truth={truth}", *words]) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["matched"] == 208
    assert scores["rmsd_pm"] == pytest.approx(published, abs=0.1)
