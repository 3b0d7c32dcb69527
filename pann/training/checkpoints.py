"""Training checkpoints: what they carry beside the weights, and how the best of them becomes shippable weights."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor

from pann.core import CheckpointError
from pann.io.weights import Weights, save_weights

CONFIG_KEY = "pann_config"


class ConfigInCheckpoint(Callback):
    """Puts the plain configuration into every checkpoint, so that it says by itself what it belongs to."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the configuration."""
        checkpoint[CONFIG_KEY] = self.config


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights of a run that is continued in another folder too, where Lightning would begin anew."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score and its file, unless that is gone."""
        if Path(state_dict["best_model_path"]).is_file():
            super().load_state_dict(state_dict | {"dirpath": self.dirpath})


class LastCheckpoint(ModelCheckpoint):
    """Written now and then for `resume=`, but not between an epoch and its validation, which Lightning would skip."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Write it when it is due; after the last step of an epoch it waits for the next step."""
        if not trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def read_checkpoint(path: str | Path, stage: str, model: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read a training checkpoint of `stage`, without unpickling code.

    Raises CheckpointError when it is missing, damaged, not ours, of another stage, or of a network unlike `model`.
    """
    source = Path(path)
    if not source.is_file():
        raise CheckpointError(f"checkpoint {source} does not exist: name the last.ckpt of a run folder")
    try:
        checkpoint: dict[str, Any] = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same to the user
        raise CheckpointError(f"checkpoint {source} cannot be read: {str(error).splitlines()[0]}") from error
    config = checkpoint.get(CONFIG_KEY) if isinstance(checkpoint, dict) else None
    if config is None:
        raise CheckpointError(f"checkpoint {source} was not written by train.py: it holds no configuration")
    if config["name"] != stage:
        raise CheckpointError(f"checkpoint {source} belongs to stage {config['name']}, this run trains {stage}")
    if model is not None and config["model"] != model:
        raise CheckpointError(f"checkpoint {source} holds another network: {config['model']}, this run has {model}")
    return checkpoint


def export_weights(
    path: Path,
    stage: str,
    model: dict[str, Any],
    state: dict[str, Tensor],
    card: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> None:
    """Write the network's part of the task's `state` to `path` (.safetensors) with its constructor arguments and card.

    `state` are the parameters of the task, whose network is its attribute `net`. Matrices and kernels are stored as
    `dtype`; None leaves them as they are.
    """
    prefix = "net."
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if dtype is not None:
        weights = {name: value.to(dtype) if value.dim() > 1 else value for name, value in weights.items()}
    arguments = {key: value for key, value in model.items() if not key.startswith("_")}
    save_weights(path, Weights(stage, arguments, weights, card))
