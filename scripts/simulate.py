"""Simulate tilt series with their true atoms: `python scripts/simulate.py preset=demo show=true`.

Presets: demo (seconds), small (minutes), paper (the grid of the benchmark), realism (PRISM); `dry_run=true` tells how
many, how long and how large. Options: conf/simulate.yaml, or `python scripts/simulate.py --cfg job`.
"""

from functools import partial
from pathlib import Path

from pann.training.entry import launch
from pann.training.generation import run

CONF = Path(__file__).resolve().parents[1] / "conf"

if __name__ == "__main__":
    launch(partial(run, recipes=CONF / "simulation"), CONF, "simulate")
