"""Weights come back exactly, with what is needed to rebuild the network; everything else is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pann.core import CheckpointError
from pann.io import Weights, load_weights, save_weights

WEIGHTS = Weights(
    "classifier",
    {"width": 4, "elements": ["Pt", "Ni"], "rate": 0.1},
    {"a.weight": torch.arange(6.0).reshape(2, 3).T, "steps": torch.tensor(3), "half": torch.ones(2).bfloat16()},
    {"data": "å", "seeds": [1, 2]},
)


def test_everything_comes_back(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.safetensors", WEIGHTS)
    after = load_weights(tmp_path / "a.safetensors", "classifier")
    assert (after.stage, after.model, after.card) == (WEIGHTS.stage, WEIGHTS.model, WEIGHTS.card)
    assert after.state.keys() == WEIGHTS.state.keys()
    for name, tensor in WEIGHTS.state.items():
        torch.testing.assert_close(after.state[name], tensor, rtol=0, atol=0)
    card = json.loads((tmp_path / "a.json").read_text())
    assert (card["stage"], card["data"]) == ("classifier", "å")


def test_a_network_rebuilds_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    arguments = {"in_features": 3, "out_features": 2}
    save_weights(tmp_path / "a.safetensors", Weights("refiner", arguments, net.state_dict(), {}))
    after = load_weights(tmp_path / "a.safetensors", "refiner")
    again = torch.nn.Linear(**after.model)
    again.load_state_dict(after.state)
    x = torch.ones(1, 3)
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)


HEADER = {"format": "pann-weights", "version": "1", "stage": "refiner", "model": "{}", "card": "{}"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not written by PANN"),
        ({"version": "2"}, "has version 2, this PANN reads version 1"),
        ({"stage": "classifier"}, "holds a classifier, but a refiner is needed"),
    ],
)
def test_refuses_headers(tmp_path: Path, change: dict[str, str], message: str) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors", metadata=HEADER | change)
    with pytest.raises(CheckpointError, match=message):
        load_weights(tmp_path / "a.safetensors", "refiner")


def test_refuses_files(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(path, "refiner")
    save_file({"a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="not written by PANN"):
        load_weights(path, "refiner")
    save_weights(path, WEIGHTS)
    data = path.read_bytes()
    for length in (0, 5, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="not a readable safetensors"):
            load_weights(path, "classifier")
