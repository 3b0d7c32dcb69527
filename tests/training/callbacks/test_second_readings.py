from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from pytorch_lightning import Callback, LightningModule

from pann.io import load_weights
from pann.refiner.task import RefinerTask
from pann.training.callbacks import SecondReadings
from pann.training.callbacks.second_readings import averaged
from pann.training.fit import fit
from tests.training.conftest import LIGHTNING_WARNINGS

pytestmark = LIGHTNING_WARNINGS


class Watched(Callback):
    """Keeps the second lattices that every epoch shows."""

    epochs: ClassVar[list[list[torch.Tensor | None]]] = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append([source.second for source in trainer.datamodule.sources])


def read(configuration, options):
    """Lattices of two samples in each of four epochs of two steps."""
    Watched.epochs.clear()
    fit(
        configuration(
            "test=false",
            "trainer.max_steps=8",
            "trainer.check_val_every_n_epoch=9",
            f"callbacks.second_readings={{_target_: pann.training.callbacks.SecondReadings, {options}}}",
            f"+callbacks.watched._target_={__name__}.Watched",
        )
    )
    return list(Watched.epochs)


def test_samples_are_read_once_from_the_start_on(configuration):
    lattices = read(configuration, "start: 3")
    assert [[part is None for part in epoch] for epoch in lattices] == [[True, True]] * 2 + [[False, False]] * 2
    assert all(part is before for before, part in zip(*lattices[2:], strict=True))
    assert all(part.dtype == torch.float16 and part.any() for part in lattices[3])


def test_samples_are_read_anew_by_a_better_network(configuration):
    first, second, third, last = read(configuration, "start: 0, refresh: 4")
    assert all(a is b for a, b in zip(first + third, second + last, strict=True))
    assert not any(a is b for a, b in zip(second, third, strict=True))


def test_of_several_processes_each_reads_its_share(configuration, prepared_sources, small_task):
    trainer = SimpleNamespace(
        global_step=0,
        global_rank=1,
        world_size=2,
        callbacks=[],
        datamodule=SimpleNamespace(sources=prepared_sources),
    )
    SecondReadings(start=0).on_train_epoch_start(trainer, small_task)
    assert [source.second is not None for source in prepared_sources] == [False, True, False]


def test_without_averaged_weights_the_trained_ones_read():
    task = LightningModule()
    assert averaged(SimpleNamespace(callbacks=[]), task) is task


@pytest.fixture
def small_task(configuration):
    return instantiate(configuration().task)


@pytest.fixture
def prepared_sources(configuration):
    data = instantiate(configuration().data)
    data.prepare_data()
    data.setup("fit")
    one, other = data._sources_on(torch.device("cpu"))
    return [one, other, replace(one)]


@pytest.mark.parametrize(("errors", "readings"), [([0.3, 0.2], 2), ([0.2, 0.2], 1)])
def test_calibration_takes_the_readings_with_the_fewest_errors(configuration, tmp_path, monkeypatch, errors, readings):
    monkeypatch.setattr(RefinerTask, "_errors_after", lambda task, times, samples: errors[times - 1])
    fit(configuration("test=false", "task.readings=2"))
    state = load_weights(tmp_path / "run" / "refiner.safetensors", "refiner").state
    np.testing.assert_allclose(state["readings_taken"], readings)
