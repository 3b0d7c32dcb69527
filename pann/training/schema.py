"""Names and types of the top-level keys of the training configuration; the values live in `conf/`."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class Monitor:
    """The metric that picks the best weights.

    Attributes
    ----------
    metric : name under which the task logs it.
    mode : "max" or "min".
    """

    metric: str = MISSING
    mode: str = MISSING


@dataclass
class TrainConfig:
    """What `pann.training.fit` reads.

    Attributes
    ----------
    name : stage, "refiner", "lattice" or "classifier".
    seed : of the initial weights and of the batches.
    output : run folder.
    resume : a checkpoint of an interrupted run to continue, or None.
    from_weights : exported weights that training begins with, in place of random ones, or None.
    weights : exported weights to score on the test split instead of training, or None.
    calibrate : fit what is learnt from the validation split (thresholds, temperature) of `weights` anew, and export.
    test : whether to score the best weights on the held-out samples.
    model : the network (`_target_` and its keyword arguments, plain values).
    data : the LightningDataModule.
    task : the LightningModule; it receives the network as `net` and partials as `optimizer` and `scheduler`.
    optimizer, scheduler : partial constructors.
    monitor : see `Monitor`.
    trainer : the Lightning trainer.
    callbacks, logger : by name; null leaves one out.
    """

    name: str = MISSING
    seed: int = MISSING
    output: str = MISSING
    resume: str | None = MISSING
    from_weights: str | None = MISSING
    weights: str | None = MISSING
    calibrate: bool = MISSING
    test: bool = MISSING
    model: Any = MISSING
    data: Any = MISSING
    task: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    monitor: Monitor = MISSING
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING


def register() -> None:
    """Make the schema known to Hydra under the name that `conf/train.yaml` uses."""
    ConfigStore.instance().store(name="train_schema", node=TrainConfig)
