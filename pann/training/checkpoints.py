"""Training checkpoints: what they carry beside the weights, and how the best of them becomes shippable weights."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
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
    path: Path, stage: str, model: dict[str, Any], state: dict[str, Tensor], card: dict[str, Any]
) -> None:
    """Write the network's part of the task's `state` to `path` (.safetensors) with its constructor arguments and card.

    `state` are the parameters of the task, whose network is its attribute `net`.
    """
    prefix = "net."
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    arguments = {key: value for key, value in model.items() if not key.startswith("_")}
    save_weights(path, Weights(stage, arguments, weights, card))
