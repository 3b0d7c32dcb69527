"""Training, from a configuration to exported weights."""

import json
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning import LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import ModelCheckpoint

from pann.core import CheckpointError
from pann.core.files import atomic_path, require_writable
from pann.io import load_weights
from pann.io.weights import Weights
from pann.training.checkpoints import ConfigInCheckpoint, export_weights, read_checkpoint
from pann.training.record import plain, write_run_record


def fit(cfg: DictConfig) -> dict[str, float]:
    """Train one stage as `cfg` says (`pann.training.schema.TrainConfig`) and write everything to `cfg.output`.

    With `cfg.weights` nothing is trained: those weights are scored on the test split, into scores.json, with
    `cfg.calibrate` after what they learn from the validation split was fitted anew and exported.

    The run folder receives config.yaml and run.json before the first step, metrics.csv, checkpoints/ (best.ckpt,
    last.ckpt), and `<stage>.safetensors` with its card: the best averaged weights, written when the training is over,
    and again when they are calibrated and tested. Of several processes (`trainer` with more devices or nodes) only
    the first writes.

    With `cfg.from_weights` training goes on from exported weights, on whatever data `cfg` names, with a new optimizer.

    Returns
    -------
    The last validation metrics and, with `cfg.test`, those of the test, by name.
    """
    config = plain(cfg)
    if cfg.resume is not None:
        read_checkpoint(cfg.resume, cfg.name, config["model"])
    callbacks = [instantiate(node) for node in cfg.callbacks.values() if node is not None]
    loggers = [instantiate(node) for node in cfg.logger.values() if node is not None]
    trainer: Trainer = instantiate(cfg.trainer, callbacks=[*callbacks, ConfigInCheckpoint(config)], logger=loggers)
    facts = write_run_record(require_writable(cfg.output), cfg) if trainer.is_global_zero else {}
    seed_everything(cfg.seed, workers=True, verbose=False)
    data: Any = instantiate(cfg.data)  # a LightningDataModule with `describe`
    task: Any = instantiate(cfg.task)  # a LightningModule
    if cfg.weights is not None:
        return score_weights(cfg, trainer, task, data)
    first = None if cfg.from_weights is None else take_weights(cfg, task, cfg.from_weights)
    trainer.fit(task, datamodule=data, ckpt_path=cfg.resume, weights_only=True)
    metrics = _numbers(trainer)
    load_best(trainer, task, cfg.name)
    card = {"data": data.describe(), "steps": trainer.global_step, "seed": cfg.seed, "metrics": metrics, "run": facts}
    if first is not None:
        card["began_with"] = first.card
    path = Path(cfg.output) / f"{cfg.name}.safetensors"
    if trainer.is_global_zero:
        _export(path, cfg, task, card)  # what follows takes minutes, and may not get them
    _calibrate(trainer, task, data)
    if cfg.test:
        trainer.test(task, datamodule=data, verbose=False)
        metrics |= _numbers(trainer)
    if trainer.is_global_zero:
        _export(path, cfg, task, card)
    return metrics


def score_weights(cfg: DictConfig, trainer: Trainer, task: Any, data: Any) -> dict[str, float]:
    """Score the exported weights `cfg.weights` on the test split of `data`; write and return the metrics."""
    weights = take_weights(cfg, task, cfg.weights)
    metrics: dict[str, float] = {}
    if cfg.calibrate:
        data.setup("validate")
        _calibrate(trainer, task, data)
    if cfg.test:
        trainer.test(task, datamodule=data, verbose=False)
        metrics |= _numbers(trainer)
    if trainer.is_global_zero and cfg.calibrate:
        card = weights.card | {"calibrated_on": data.describe(), "metrics": metrics or weights.card.get("metrics", {})}
        _export(Path(cfg.output) / f"{cfg.name}.safetensors", cfg, task, card)
    if trainer.is_global_zero and cfg.test:
        with atomic_path(Path(cfg.output) / "scores.json") as temporary:
            temporary.write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def take_weights(cfg: DictConfig, task: Any, path: str) -> Weights:
    """Give `task` the exported weights at `path` and return them; CheckpointError for those of another network."""
    weights = load_weights(path, cfg.name)
    if weights.model != {key: value for key, value in plain(cfg)["model"].items() if not key.startswith("_")}:
        raise CheckpointError(f"{path} holds a network of other arguments: choose model= as its card says")
    task.net.load_state_dict(weights.state)
    return weights


def _calibrate(trainer: Trainer, task: Any, data: Any) -> None:
    """Fit on the validation split what a task learns from it: thresholds, a temperature."""
    if hasattr(task, "calibrate"):
        task.to(trainer.strategy.root_device)  # the trainer leaves it on the CPU
        task.calibrate(data.val_dataloader())


def _export(path: Path, cfg: DictConfig, task: Any, card: dict[str, Any]) -> None:
    """Write the weights of `task`, in the precision that it names for storage, if it does."""
    dtype = getattr(task, "stored_dtype", None)
    export_weights(path, cfg.name, plain(cfg)["model"], task.state_dict(), card, dtype)


def load_best(trainer: Trainer, task: LightningModule, stage: str) -> None:
    """Give `task` the averaged weights of the best checkpoint; without one it keeps the last averaged weights."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            task.load_state_dict(read_checkpoint(callback.best_model_path, stage)["state_dict"])
            return


def _numbers(trainer: Trainer) -> dict[str, Any]:
    return {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
