import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pann.core import CheckpointError, TiltSeries, Volume
from pann.io import load_weights
from pann.refiner import Refiner
from pann.refiner.task import RefinerTask
from pann.training.checkpoints import read_checkpoint
from pann.training.fit import fit
from tests.training.conftest import LIGHTNING_WARNINGS

pytestmark = LIGHTNING_WARNINGS
CALIBRATED = {"rtol": 1e-2, "atol": 1e-3}
"""Of numbers fitted to answers of a network whose kernels were stored in half precision."""


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]


def test_fit_leaves_a_record_metrics_checkpoints_and_weights(configuration, tmp_path):
    cfg = configuration()
    metrics = fit(cfg)
    folder = tmp_path / "run"
    facts = json.loads((folder / "run.json").read_text())
    assert facts["seed"] == cfg.seed
    assert "torch" in facts["versions"]
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt"}
    for split in ("val", "test"):
        assert 0 <= metrics[f"{split}/input/f1"] <= 1
        assert 0 <= metrics[f"{split}/refined/recovery_at_n"] <= 1
    with (folder / "cases.csv").open() as file:
        cases = list(csv.DictReader(file))
    assert [case["split"] for case in cases] == ["val", "test"]
    assert float(cases[1]["refined/recovery_at_n"]) == pytest.approx(metrics["test/refined/recovery_at_n"])
    assert metrics["test/weighed/errors"] > 0
    card = json.loads((folder / "refiner.json").read_text())
    assert card["steps"] == 4
    assert card["metrics"]["test/input/f1"] == metrics["test/input/f1"]
    assert card["data"]["samples"]["train"] == 2
    checkpoint = read_checkpoint(folder / "checkpoints" / "best.ckpt", "refiner")
    refiner = Refiner.load(folder / "refiner.safetensors")
    averaged = checkpoint["state_dict"]
    for name, value in refiner.net.state_dict().items():
        if name not in ("presence_threshold", "existence_odds"):  # fitted afterwards, to the validation split
            stored = averaged[f"net.{name}"]  # kernels and matrices in half precision
            torch.testing.assert_close(value, stored.half().float() if value.dim() > 1 else stored)


def test_weights_are_kept_where_what_follows_the_training_fails(configuration, tmp_path, monkeypatch):
    def failing(task: object, loader: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RefinerTask, "calibrate", failing)
    with pytest.raises(KeyboardInterrupt):
        fit(configuration("test=false"))
    assert load_weights(tmp_path / "run" / "refiner.safetensors", "refiner").card["steps"] == 4


def test_refiner_of_a_fit_refines(configuration, tmp_path):
    fit(configuration("test=false"))
    refiner = Refiner.load(tmp_path / "run" / "refiner.safetensors")
    data = configuration().data
    example = next(iter(Path(data.cache).rglob(f"{data.seed}-00000.npz")))
    with np.load(example) as file:
        values = file["values"].astype(np.float32)
        series = TiltSeries(file["images"], file["angles"], float(file["pixel_size"]), dose=float(file["dose"]))
    refined = refiner(Volume(values, 0.4), series, tile=64, margin=4)
    assert refined.values.min() >= 0
    assert refined.voxel_size == 0.4


def test_the_same_seed_gives_the_same_losses(configuration, tmp_path):
    for name in ("one", "two"):
        fit(configuration("test=false", output=name))
    fit(configuration("test=false", "seed=2", output="other"))
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert losses(tmp_path / "one") != losses(tmp_path / "other")


def test_a_resumed_run_goes_on_where_it_stopped(configuration, tmp_path):
    """Two epochs at once, and one epoch, an interruption, and the other: the same losses."""
    fit(configuration("test=false", output="whole"))
    half = ["test=false", "scheduler.total_steps=4", "trainer.max_steps=2"]
    fit(configuration(*half, output="half"))
    checkpoint = tmp_path / "half" / "checkpoints" / "best.ckpt"
    fit(configuration("test=false", f"resume={checkpoint}", output="rest"))
    whole = losses(tmp_path / "whole")
    np.testing.assert_allclose(losses(tmp_path / "half") + losses(tmp_path / "rest"), whole, rtol=1e-5)


def test_reprojection_loss_takes_part_when_asked(configuration, tmp_path):
    fit(configuration("test=false", "task.reprojection.weight=0.1", "task.reprojection.every=1"))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/loss")]
    assert all(float(row["train/reprojection"]) > 0 for row in rows)


def test_checkpoints_that_do_not_belong_here_are_refused(configuration, tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        fit(configuration(f"resume={tmp_path / 'no.ckpt'}"))
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="cannot be read"):
        fit(configuration(f"resume={broken}"))
    foreign = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}}, foreign)
    with pytest.raises(CheckpointError, match="not written by"):
        fit(configuration(f"resume={foreign}"))
    other = tmp_path / "other.ckpt"
    torch.save({"pann_config": {"name": "classifier", "model": {}}}, other)
    with pytest.raises(CheckpointError, match="belongs to stage classifier"):
        fit(configuration(f"resume={other}"))
    torch.save({"pann_config": {"name": "refiner", "model": {"width": 1}}}, other)
    with pytest.raises(CheckpointError, match="another network"):
        fit(configuration(f"resume={other}"))


def test_exported_weights_are_scored_without_training(configuration, tmp_path):
    trained = fit(configuration())
    weights = tmp_path / "run" / "refiner.safetensors"
    scores = fit(configuration(f"weights={weights}", output="scored"))
    written = json.loads((tmp_path / "scored" / "scores.json").read_text())
    assert written == scores
    tested = {name: value for name, value in trained.items() if name.startswith("test/")}
    assert {name: scores[name] for name in tested} == pytest.approx(tested, rel=1e-2, nan_ok=True)  # in half precision
    assert not (tmp_path / "scored" / "checkpoints").exists()
    calibrated = fit(configuration(f"weights={weights}", "calibrate=true", output="calibrated"))
    assert calibrated["test/mse"] == pytest.approx(scores["test/mse"])
    first, anew = (load_weights(tmp_path / run / "refiner.safetensors", "refiner") for run in ("run", "calibrated"))
    for name, value in first.state.items():  # thresholds included: the same validation split gives the same
        torch.testing.assert_close(anew.state[name], value, **CALIBRATED)
    assert anew.card["calibrated_on"]["samples"] == first.card["data"]["samples"]
    with pytest.raises(CheckpointError, match="other arguments"):
        fit(configuration(f"weights={weights}", "model.width=12", output="wrong"))


def test_training_goes_on_from_exported_weights(configuration, tmp_path):
    fit(configuration())
    weights = tmp_path / "run" / "refiner.safetensors"
    fit(configuration(f"from_weights={weights}", "optimizer.lr=0", "seed=9", output="tuned"))
    first, tuned = (load_weights(tmp_path / run / "refiner.safetensors", "refiner") for run in ("run", "tuned"))
    for name, value in first.state.items():
        torch.testing.assert_close(tuned.state[name], value, **CALIBRATED)
    assert tuned.card["began_with"] == first.card
    with pytest.raises(CheckpointError, match="other arguments"):
        fit(configuration(f"from_weights={weights}", "model.width=12", output="wrong"))
