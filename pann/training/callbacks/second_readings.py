"""Patches of second readings in the training of the refiner."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch.nn import Module

from pann.core.progress import progress_bar
from pann.refiner.readings import second_lattice


class SecondReadings(Callback):
    """Lets the averaged network read its training samples, so that it learns what a second reading is worth.

    From step `start` on, every sample that was not yet read is read at the start of an epoch, and all are read anew by
    a better network once `refresh` further steps are done. Most patches of such a sample show the lattice of its second
    reading (`pann.refiner.patches`). Of several processes each reads its share of the samples, and shows the others as
    they are first read. A run that goes on from a checkpoint reads its samples anew.

    Parameters
    ----------
    start : steps before the first reading.
    refresh : steps between two readings of a sample; null reads once.
    """

    def __init__(self, start: int, refresh: int | None = None) -> None:
        self.start = start
        self.refresh = refresh
        self._since: int | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read what is to be read."""
        step = trainer.global_step
        if step < self.start:
            return
        sources = trainer.datamodule.sources[trainer.global_rank :: trainer.world_size]  # type: ignore[attr-defined]
        if self._since is None or (self.refresh is not None and step - self._since >= self.refresh):
            self._since = step
            for source in sources:
                source.second = None
        unread = [source for source in sources if source.second is None]
        task: Any = averaged(trainer, pl_module)
        net = task.net.eval()
        device = pl_module.device
        with (
            torch.autocast(device.type, torch.bfloat16),
            torch.backends.cudnn.flags(benchmark=False),  # hardly two samples are of one shape
            progress_bar("Second readings", len(unread), len(unread) > 0 and device.type == "cpu") as bar,
        ):
            for source in unread:
                source.second = second_lattice(net, source, device)
                bar.advance()
        net.train()


def averaged(trainer: Trainer, pl_module: LightningModule) -> Module:
    """The task with averaged weights, where a callback keeps some; else the task that is trained."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WeightAveraging) and callback._average_model is not None:
            return callback._average_model.module
    return pl_module
