"""The evaluation of the classifier: arguments in, tables out, nothing computed twice, status 2 on the user's errors."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml

from pann.classifier.net import CandidateTransformer
from pann.io import Weights, save_weights
from tests.scripts.test_evaluate_refiner import folder, load  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def script(repository: Path) -> ModuleType:
    return load(repository, "evaluate_classifier")


@pytest.fixture(scope="module")
def weights(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    arguments = yaml.safe_load((repository / "conf/model/classifier_tiny.yaml").read_text())
    arguments = {key: value for key, value in arguments.items() if not key.startswith("_")}
    path = tmp_path_factory.mktemp("weights") / "classifier.safetensors"
    save_weights(path, Weights("classifier", arguments, CandidateTransformer(**arguments).state_dict(), {}))
    return path


def test_every_method_names_the_same_atoms(
    script: ModuleType,
    folder: Path,  # noqa: F811
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    words = [
        f"folder={folder}",
        f"weights={weights}",
        f"output={tmp_path}",
        "refiner=null",
        "doses=[3e4]",
        "radius=0.5",
    ]
    assert script.main(words) == 0
    out = capsys.readouterr().out
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| ")]
    head, by_dose = lines[0], lines[2]
    assert head[:3] == ["dose [e/Å²]", "atoms", "k-means"]
    assert by_dose[:2] == ["30000", "27"]
    assert by_dose[2].strip("*") == "1.000 / 1.000"
    assert float(by_dose[head.index("Bayes limit")]) > 0.999
    rows = (tmp_path / "rows.csv").read_text()
    assert rows.count("tiny,30000,0") == 6
    assert script.main(words) == 0
    assert (tmp_path / "rows.csv").read_text() == rows
    assert capsys.readouterr().out == out


def test_errors_are_explained(
    script: ModuleType,
    folder: Path,  # noqa: F811
    capsys: pytest.CaptureFixture,
) -> None:
    assert script.main([f"folder={folder}", "series=[none]"]) == 2
    assert "choose from tiny" in capsys.readouterr().err
    assert script.main(["weights=nowhere.safetensors", f"folder={folder}", "refiner=null"]) == 2
    assert script.main(["--help"]) == 0
