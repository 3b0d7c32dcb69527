"""Measure the simulation of data sets: how fast each preset is, and whether memory stays flat.

python scripts/benchmark_simulation.py rates [--samples 500] [--presets demo small paper]
python scripts/benchmark_simulation.py memory [--samples 10000]

Rates come from data sets that are really written, on one and on two processes (their start included), in a temporary
folder; grids are sampled evenly. Both print a Markdown table, which docs/datasets.md holds.
"""

import argparse
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from hydra import compose, initialize_config_dir

from pann.core import PannError
from pann.simulation.datasets import Plan, generate
from pann.simulation.datasets.shard import make_shard
from pann.training.generation import duration, simulation_values

CONF = Path(__file__).resolve().parents[1] / "conf"
BLOCK = 500
"""Samples between two lines of the memory table."""


def plan_of(preset: str) -> tuple[Plan, Any]:
    """The plan of a preset and its configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("simulate", [f"preset={preset}"])
    return Plan(simulation_values(cfg, CONF / "simulation"), cfg.seed, cfg.n_samples, cfg.shard_size), cfg


def evenly(plan: Plan, n_samples: int) -> Plan:
    """A plan of `n_samples` that visits the axes of a grid at random, as a whole grid does."""
    return Plan(dict(plan.values) | {"order": "random"}, plan.seed, n_samples, max(1, n_samples // 8))


def rates(presets: list[str], n_samples: int) -> None:
    """Print samples per second of each preset on one and on two processes, and what the whole set takes."""
    print("| preset | samples | one process | two processes | whole set, two processes | whole set, on disk |")
    print("| --- | --- | --- | --- | --- | --- |")
    for preset in presets:
        whole, _ = plan_of(preset)
        plan = evenly(whole, n_samples)
        with TemporaryDirectory() as folder:
            make_shard(replace(plan, n_samples=1), Path(folder), 0)  # loads libraries and kernels
            one = generate(plan, Path(folder) / "one")
            two = generate(plan, Path(folder) / "two", workers=2)
        per_second = two.made / two.seconds
        print(
            f"| {preset} | {whole.n_samples} | {one.made / one.seconds:.1f} samples/s | {per_second:.1f} samples/s "
            f"| {duration(whole.n_samples / per_second)} | {one.size / one.made * whole.n_samples / 1e6:.0f} MB |",
            flush=True,
        )


def memory(n_samples: int) -> None:
    """Print the memory of one process while it makes `n_samples` small samples."""
    whole, _ = plan_of("demo")
    plan = Plan(whole.values, whole.seed, n_samples, BLOCK)
    print("| samples | memory [MB] | peak [MB] | samples/s |\n| --- | --- | --- | --- |", flush=True)
    with TemporaryDirectory() as folder:
        for shard in range(plan.n_shards):
            started = monotonic()
            made = make_shard(plan, Path(folder), shard)
            rate = made.n_samples / (monotonic() - started)
            (Path(folder) / made.name).unlink()
            done = plan.indices(shard).stop
            if shard == 0 or done % (4 * BLOCK) == 0 or done == n_samples:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"| {done} | {resident_megabytes():.0f} | {peak:.0f} | {rate:.1f} |", flush=True)


def resident_megabytes() -> float:
    """Memory of this process now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rates", "memory"))
    parser.add_argument("--samples", type=int, help="500 for rates, 10,000 for memory")
    parser.add_argument("--presets", nargs="+", default=["demo", "small", "paper"])
    arguments = parser.parse_args()
    try:
        if arguments.what == "rates":
            rates(arguments.presets, arguments.samples or 500)
        else:
            memory(arguments.samples or 10_000)
    except PannError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
