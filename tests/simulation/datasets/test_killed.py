"""A run that is killed without warning, in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pann.simulation.datasets import Plan, generate

SCRIPT = """
import json, sys
from pann.simulation.datasets import Plan, generate
if __name__ == "__main__":
    generate(Plan(json.load(open(sys.argv[1])), 11, n_samples=60, shard_size=2), sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_without_losing_or_repeating_a_sample(
    small_values: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "values.json").write_text(json.dumps(small_values))
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "values.json"), str(tmp_path / "killed")]
    killed = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "killed").glob("shard_*.h5"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(30) == -signal.SIGKILL
    left = len(list((tmp_path / "killed").glob("shard_*.h5")))
    assert 3 <= left < 30
    plan = Plan(small_values, 11, n_samples=60, shard_size=2)
    again, whole = (generate(plan, tmp_path / folder).made for folder in ("killed", "whole"))
    assert whole == 60
    assert 60 - 2 * left <= again <= 60 - 2 * (left - 1)
    shards = {folder: sorted((tmp_path / folder).glob("shard_*.h5")) for folder in ("killed", "whole")}
    assert [path.name for path in shards["killed"]] == [path.name for path in shards["whole"]]
    for one, other in zip(shards["killed"], shards["whole"], strict=True):
        assert one.read_bytes() == other.read_bytes()
