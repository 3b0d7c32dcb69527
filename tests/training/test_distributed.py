"""Two processes by the configuration alone."""

import csv
import json
import os
import subprocess
import sys

import pytest
import torch

from tests.training.conftest import SHRUNK

TWO_PROCESSES = [
    "trainer.devices=2",
    "trainer.num_nodes=1",
    "trainer.strategy=ddp",
    "trainer.precision=32-true",
    "data.splits={train: 2, validation: 3, test: 1}",  # three do not come out even on two processes
    "task.dose_bins=[0, 1000, 2000, 1.0e9]",
]


@pytest.mark.slow
def test_two_processes_share_the_work_and_one_writes(repository, tmp_path):
    output = tmp_path / "run"
    watch = [
        "+callbacks.witness._target_=tests.training.witness.Witness",
        f"+callbacks.witness.folder={tmp_path}",
        f"+callbacks.witness.watched={output}",
    ]
    own = [f"output={output}", f"data.cache={tmp_path / 'cache'}"]
    command = [sys.executable, str(repository / "train.py"), *SHRUNK, *TWO_PROCESSES, *watch, *own]
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr

    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first["weights"].items():
        torch.testing.assert_close(second["weights"][name], value, rtol=0, atol=0)
    drawn = [patch for seen in (first, second) for patch in seen["patches"]]
    assert len(drawn) == 8
    assert not any(torch.equal(a, b) for k, a in enumerate(drawn) for b in drawn[:k])

    assert first["cases"] == second["cases"]
    written = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    files = {"run.json", "config.yaml", "metrics.csv", "cases.csv", "curves.csv", "best.ckpt", "refiner.safetensors"}
    assert files <= set(written[0])
    assert written[1] == []
    with (output / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row.get("train/loss")]
    assert steps == sorted(set(steps))
