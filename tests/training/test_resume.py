"""A run that was killed and goes on gives the curve and the weights of one that was not."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from pann.io import load_weights
from pann.refiner.task import RefinerTask
from pann.training.fit import fit
from tests.training.conftest import LIGHTNING_WARNINGS

pytestmark = LIGHTNING_WARNINGS
STEPS = 6
OVERRIDES = [
    "test=false",
    "trainer.precision=32-true",
    "data.steps_per_epoch=3",
    "data.batch_size=2",
    f"trainer.max_steps={STEPS}",
    f"scheduler.total_steps={STEPS}",
    "task.reprojection.weight=0.1",  # takes a whole sample beside the patches
    "task.reprojection.every=1",
    "callbacks.last.train_time_interval=null",
    "+callbacks.last.every_n_train_steps=1",
]


class KilledError(Exception):
    """Stands for the end of the process."""


def curve(folder: Path, name: str) -> dict[int, float]:
    with (folder / "metrics.csv").open() as file:
        return {int(row["step"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}


@pytest.fixture
def straight(configuration, tmp_path):
    fit(configuration(*OVERRIDES, output="straight"))
    return tmp_path / "straight"


def killed(configuration, monkeypatch, after: int) -> None:
    """Run `after` steps, then raise in the next."""
    train = RefinerTask.training_step

    def step(self, batch, batch_idx):
        if self.global_step == after:
            raise KilledError
        return train(self, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(RefinerTask, "training_step", step)
        with pytest.raises(KilledError):
            fit(configuration(*OVERRIDES, output="killed"))


def test_resumed_at_any_step_the_curve_and_the_weights_are_the_same(configuration, straight, tmp_path, monkeypatch):
    expected = load_weights(straight / "refiner.safetensors", "refiner").state
    names = ("train/loss", "train/reprojection", "val/refined/f1", "val/mse")
    for after in (1, 3, 5):  # in an epoch, at its end, in the last
        killed(configuration, monkeypatch, after)
        checkpoint = tmp_path / "killed" / "checkpoints" / "last.ckpt"
        fit(configuration(*OVERRIDES, f"resume={checkpoint}", output="resumed"))
        for name in names:
            whole = curve(straight, name)
            pieces = curve(tmp_path / "killed", name) | curve(tmp_path / "resumed", name)
            assert pieces == pytest.approx(whole, rel=1e-6), (name, after)
        for name, value in load_weights(tmp_path / "resumed" / "refiner.safetensors", "refiner").state.items():
            torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-8)
        for folder in ("killed", "resumed"):
            shutil.rmtree(tmp_path / folder)
