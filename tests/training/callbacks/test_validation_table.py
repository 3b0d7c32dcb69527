import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from pytorch_lightning.loggers import WandbLogger

from pann.training.callbacks import ValidationTable
from pann.training.callbacks.figures import slices_figure

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:wandb")


@pytest.fixture
def task():
    facts = {"largest_tilt": 65.0, "tilts": 27, "atoms": 100}
    cases = [
        {"name": "a", "dose": 30.0, **facts, "input/recovery": 0.4, "refined/recovery": 0.7, "refined/rmsd_pm": 40.0},
        {"name": "b", "dose": 300.0, **facts, "input/recovery": 0.9, "refined/recovery": 0.95},
    ]
    target = np.zeros((12, 16), np.float32)
    target[6, 8] = 1.0
    return SimpleNamespace(cases=cases, pictures={"a": {"input": 8 * target, "refined": target, "target": target}})


@pytest.fixture
def table(tmp_path):
    return ValidationTable(str(tmp_path), dose=[0, 100, 1e9], missing_wedge=[0, 180], scores=["recovery"])


def trainer(*loggers, step=7, first=True):
    return SimpleNamespace(is_global_zero=first, sanity_checking=False, global_step=step, loggers=list(loggers))


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_files_hold_the_last_validation_and_the_test(table, task, tmp_path):
    table.on_validation_end(trainer(step=7), task)
    table.on_validation_end(trainer(step=9), task)
    table.on_test_end(trainer(step=9), task)
    written = rows(tmp_path / "cases.csv")
    assert [(row["split"], row["step"], row["name"]) for row in written] == [
        ("val", "9", "a"),
        ("val", "9", "b"),
        ("test", "9", "a"),
        ("test", "9", "b"),
    ]
    assert [row["refined/rmsd_pm"] for row in written[:2]] == ["40.0", ""]
    curve = [row for row in rows(tmp_path / "curves.csv") if row["split"] == "val"]
    assert [(row["variable"], row["samples"]) for row in curve] == [
        ("dose", "1"),
        ("dose", "1"),
        ("missing_wedge", "2"),
    ]
    assert float(curve[2]["refined/recovery"]) == pytest.approx(0.825)


def test_nothing_is_written_without_cases_or_by_another_process(table, task, tmp_path):
    table.on_validation_end(trainer(), SimpleNamespace())
    table.on_validation_end(trainer(first=False), task)
    assert list(tmp_path.iterdir()) == []


def test_the_same_goes_to_wandb_offline(table, task, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WandbLogger(project="pann", save_dir=str(tmp_path), offline=True)
    table.on_validation_end(trainer(logger), task)
    run = logger.experiment
    media = tmp_path / "wandb"
    logged = dict(run.summary)
    run.finish()
    assert {"val/cases", "val/curves", "val/slices", "val/recovery curves"} <= set(logged)
    stored = next(path for path in media.rglob("*.table.json") if "cases" in path.name)
    content = json.loads(stored.read_text())
    assert content["data"][0][content["columns"].index("refined/recovery")] == 0.7
    assert any("slices" in path.name for path in media.rglob("*.png"))


def test_slices_share_the_colours_of_the_target(task):
    figure = slices_figure(task.pictures)
    images = [ax.images[0] for ax in figure.axes]
    assert [image.get_clim() for image in images] == [(0, 1)] * 3
    np.testing.assert_allclose(images[0].get_array(), task.pictures["a"]["target"].T)
