import sys

import pytest
import torch

from pann.core import CheckpointError
from pann.io.weights import Weights, load_weights, save_weights
from scripts import average_weights
from scripts.average_weights import averaged


def weights(value, steps=3, **model):
    state = {"kernel": torch.full((2, 2), value, dtype=torch.float16), "bias": torch.tensor([value, -value])}
    return Weights("refiner", {"width": 4, **model}, state, {"steps": steps, "seed": 1})


def test_the_mean_keeps_precisions_and_names_both():
    mean = averaged(weights(1.0), weights(3.0, steps=9), 0.25)
    assert mean.state["kernel"].dtype == torch.float16
    torch.testing.assert_close(mean.state["kernel"], torch.full((2, 2), 1.5, dtype=torch.float16))
    torch.testing.assert_close(mean.state["bias"], torch.tensor([1.5, -1.5]))
    assert mean.card == {"steps": 9, "seed": 1, "averaged": {"share": 0.25, "with": {"steps": 3, "seed": 1}}}


def test_networks_of_different_arguments_have_no_mean():
    with pytest.raises(CheckpointError, match="different arguments"):
        averaged(weights(1.0), weights(3.0, blocks=2), 0.5)


def test_the_command_line_writes_the_mean_or_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / f"{name}.safetensors" for name in ("one", "other", "mean", "none")]
    save_weights(paths[0], weights(1.0))
    save_weights(paths[1], weights(2.0))
    monkeypatch.setattr(sys, "argv", ["average_weights.py", *map(str, paths[:2]), "--output", str(paths[2])])
    assert average_weights.main() == 0
    torch.testing.assert_close(load_weights(paths[2], "refiner").state["bias"], torch.tensor([1.5, -1.5]))
    monkeypatch.setattr(sys, "argv", ["average_weights.py", str(paths[0]), str(paths[3]), "--output", str(paths[2])])
    assert average_weights.main() == 2
    assert "does not exist" in capsys.readouterr().err
