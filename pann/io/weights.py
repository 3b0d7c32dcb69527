"""Network weights as safetensors, with everything needed to rebuild the network in the file's header."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pann.core.errors import CheckpointError
from pann.core.files import atomic_path

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Weights:
    """A network on disk.

    Attributes
    ----------
    stage : "refiner", "lattice" or "classifier".
    model : keyword arguments of the network's constructor, plain values.
    state : parameters and buffers by name.
    card : what the weights are: data, steps, seeds, held-out numbers, plain values.
    """

    stage: str
    model: dict[str, Any]
    state: dict[str, Tensor]
    card: dict[str, Any]


def save_weights(path: str | Path, weights: Weights) -> None:
    """Write `weights` to `path` (.safetensors); the card is repeated as JSON beside it for readers."""
    target = Path(path)
    header = {
        "format": "pann-weights",
        "version": str(FORMAT_VERSION),
        "stage": weights.stage,
        "model": json.dumps(weights.model, sort_keys=True),
        "card": json.dumps(weights.card, sort_keys=True),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.state.items()}
    with atomic_path(target) as temporary:
        save_file(state, temporary, metadata=header)
    with atomic_path(target.with_suffix(".json")) as temporary:
        card = {"stage": weights.stage, "version": FORMAT_VERSION, "model": weights.model} | weights.card
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def load_weights(path: str | Path, stage: str) -> Weights:
    """Read weights of `stage` from `path`.

    Raises CheckpointError when the file is missing, damaged, of another version, or of another stage.
    """
    source = Path(path)
    if not source.is_file():
        raise CheckpointError(f"checkpoint {source} does not exist: name a .safetensors file that `train.py` wrote")
    try:
        with safe_open(source, framework="pt") as file:
            header: Mapping[str, str] = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"checkpoint {source} is not a readable safetensors file: {error}") from error
    if header.get("format") != "pann-weights":
        raise CheckpointError(f"checkpoint {source} was not written by PANN: its header names no PANN format")
    if header.get("version") != str(FORMAT_VERSION):
        raise CheckpointError(
            f"checkpoint {source} has version {header.get('version')}, this PANN reads version {FORMAT_VERSION}: "
            "use the PANN release that wrote it, or train again"
        )
    if header.get("stage") != stage:
        raise CheckpointError(f"checkpoint {source} holds a {header.get('stage')}, but a {stage} is needed here")
    return Weights(stage, json.loads(header["model"]), state, json.loads(header["card"]))
