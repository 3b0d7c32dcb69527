"""The command line, end to end on a tiny series."""

import json
from pathlib import Path

import numpy as np
import pytest

from pann.core import AtomicModel
from pann.io import read_atoms, read_volume
from pann.metrics import score
from tests.pipeline.conftest import Cli

FILES = {"model.xyz", "volume.mrc", "report.html", "summary.json", "config.yaml", "run.json"}


def test_the_whole_chain(infer: Cli, workplace: Path, truth: AtomicModel, tmp_path: Path) -> None:
    status, printed = infer(f"truth={workplace / 'truth.xyz'}", "classifier=kmeans", "refiner.existence=true")
    assert status == 0, printed
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == FILES | {"refined.mrc", "presence.mrc", "confidence.mrc"}
    model = read_atoms(out / "model.xyz")
    scores = score(model, truth)
    assert scores["recovery"] == 1
    assert scores["precision"] == 1
    assert scores["species_acc"] == 1
    assert model.sigma is not None
    summary = json.loads((out / "summary.json").read_text())
    assert summary["atoms"] == {"total": 27, "Ni": 18, "Pt": 9}
    assert summary["volume_of_atoms"] == summary["choice"]["chosen"]
    assert summary["truth"]["rmsd_pm"] == pytest.approx(scores["rmsd_pm"], rel=1e-6)
    assert 0.5 < summary["truth"]["rmsd_pm"] / summary["fit"]["bound_pm"] < 2
    assert summary["fit"]["r_factor_after"] <= summary["fit"]["r_factor_before"]
    steps = {"read", "reconstruct", "trace", "refine", "choose", "classify", "existence", "fit"}
    assert set(summary["steps"]) >= steps
    assert (summary["existence"]["added"], summary["existence"]["removed"]) == (0, 0)
    assert summary["existence"]["expected_false"] == pytest.approx(0.27)
    assert summary["elements"]["Ni-Pt"]["bayes_error"] < 1e-3
    assert summary["fit"]["expected_rmsd_pm"] >= summary["fit"]["posterior_pm"]
    assert summary["truth"]["rmsd_over_bound"] == pytest.approx(
        summary["truth"]["rmsd_pm"] / summary["fit"]["bound_pm"]
    )
    report = (out / "report.html").read_text()
    assert "Which atoms exist" in report
    assert "Telling elements apart" in report
    assert read_volume(out / "volume.mrc").voxel_size == pytest.approx(0.4)
    assert json.loads((out / "run.json").read_text())["seed"] == 1


def test_stages_can_be_left_out(infer: Cli, tmp_path: Path) -> None:
    status, printed = infer("refiner=null", "classifier=null", "fit=null", "ckpt=nowhere")
    assert status == 0, printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    model = read_atoms(tmp_path / "out" / "model.xyz")
    assert len(model) == 27
    assert set(model.species) == {"X"}
    assert model.covariance is None


def test_traced_atoms_can_be_kept_and_cross_validated(infer: Cli, tmp_path: Path) -> None:
    status, printed = infer("refiner=null", "classifier=kmeans", "existence=null", "cross_validation=5")
    assert status == 0, printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["existence"] is None
    assert summary["elements"] is None
    assert summary["cross_validation"]["every"] == 5
    assert summary["cross_validation"]["misfit_free"] == pytest.approx(1, abs=0.1)
    assert "R-free" in (tmp_path / "out" / "report.html").read_text()


def test_the_network_names_elements_with_probabilities(infer: Cli, tmp_path: Path) -> None:
    status, printed = infer("refiner=null", "fit=null")
    assert status == 0, printed
    model = read_atoms(tmp_path / "out" / "model.xyz")
    assert set(model.species) <= {"Ni", "Pt"}
    assert model.probabilities is not None
    assert np.all((model.probabilities >= 0) & (model.probabilities <= 1))


def test_runs_repeat(infer: Cli, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert infer("refiner=null", "classifier=kmeans", "ckpt=nowhere", f"output={tmp_path / name}")[0] == 0
    first, second = (read_atoms(tmp_path / name / "model.xyz") for name in ("first", "second"))
    np.testing.assert_array_equal(first.positions, second.positions)


def test_an_extended_object_is_traced_and_left_at_that(infer: Cli, tmp_path: Path) -> None:
    status, printed = infer("reconstruction.extended=true", "classifier=kmeans")
    assert status == 0, printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["fit"] is None
    assert summary["volume_of_atoms"] is None
    assert len([warning for warning in summary["warnings"] if "was left out" in warning]) == 2
