"""Measure the simulation: how fast tiers and presets are, and whether memory stays flat; prints Markdown tables.

python scripts/benchmark_simulation.py rates [--samples 500] [--presets demo small paper] [--device cuda]
python scripts/benchmark_simulation.py memory [--samples 10000]
python scripts/benchmark_simulation.py tiers [--device cuda]

Rates come from data sets that are really written, on one and on two processes (their start included), in a temporary
folder; grids are sampled evenly. docs/datasets.md holds these tables. "tiers" times those that torch computes, on the
2.5 nm particle of docs/simulation_tiers.md; without abTEM, which gives the scattering factors, only the linear one.
"""

import argparse
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np
import torch
from compare_tiers import CASES, MICROSCOPE, PIXEL, short
from hydra import compose, initialize_config_dir

from pann.core.random import generator
from pann.simulation import Views
from pann.simulation.datasets import Plan, generate
from pann.simulation.datasets.shard import make_shard
from pann.simulation.imaging.linear import LinearTier, linear_batch
from pann.simulation.imaging.windowed import WindowedTier
from pann.training.generation import duration, simulation_values
from pann.training.words import exit_status

CONF = Path(__file__).resolve().parents[1] / "conf"
BLOCK = 500
"""Samples between two lines of the memory table."""
TILTS = np.linspace(-70, 70, 41)
BATCHES, REPEATS = (1, 32), 5
"""Series at once in the linear tier; runs of which the median is printed, after one more."""
PROBES = {"cpu": (128, 16), "cuda": (None, 1024)}
"""Scan points that the windowed tier is timed with, None for a whole image, and how many travel together."""


def plan_of(preset: str, device: str = "cpu") -> tuple[Plan, Any]:
    """The plan of a preset and its configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("simulate", [f"preset={preset}", f"simulation.tier.device={device}"])
    return Plan(simulation_values(cfg, CONF / "simulation"), cfg.seed, cfg.n_samples, cfg.shard_size), cfg


def evenly(plan: Plan, n_samples: int) -> Plan:
    """A plan of `n_samples` that visits the axes of a grid at random, as a whole grid does."""
    return Plan(dict(plan.values) | {"order": "random"}, plan.seed, n_samples, max(1, n_samples // 8))


def rates(presets: list[str], n_samples: int, device: str) -> None:
    """Print samples per second of each preset on one and on two processes, and what the whole set takes."""
    print("| preset | samples | one process | two processes | whole set, two processes | whole set, on disk |")
    print("| --- | --- | --- | --- | --- | --- |")
    for preset in presets:
        whole, _ = plan_of(preset, device)
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


def tiers(device: str) -> None:
    """Print the time of an image and of 41 of them by the linear and by the windowed tier on `device`."""
    kind = torch.device(device).type
    where = torch.cuda.get_device_name(device) if kind == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    case = CASES[0]
    views = Views(TILTS, (case.n_pixels, case.n_pixels), PIXEL)
    print(f"{len(case.model)} atoms, {len(TILTS)} images of {case.n_pixels} x {case.n_pixels} pixels; {where}\n")
    print("| tier | computed | one image | 41 images |\n| --- | --- | --- | --- |", flush=True)

    def seconds(run: Callable[[], object], repeats: int) -> float:
        times = []
        for _ in range(repeats + 1):
            start = monotonic()
            run()
            if kind == "cuda":
                torch.cuda.synchronize(device)
            times.append(monotonic() - start)
        return float(np.median(times[1:]))

    def show(tier: str, computed: str, image: float) -> None:
        print(f"| {tier} | {computed} | {short(image)} s | {short(len(TILTS) * image)} s |", flush=True)

    for n_series in BATCHES:
        for focus in (False, True):
            tier = LinearTier(depth_of_focus=focus, device=device)
            batch = [(case.model, views, MICROSCOPE)] * n_series
            spent = seconds(partial(linear_batch, batch, tier), REPEATS)
            name = "linear, focus" if focus else "linear"
            show(name, f"{n_series} series at once", spent / (n_series * len(TILTS)))
    n_points, together = PROBES[kind]
    whole = case.n_scanned
    n_points = n_points or whole
    windowed = WindowedTier(device=device, batch=together)
    points = generator(0, "points").uniform(-8, 8, size=(n_points, 2))
    try:
        potential, both = (
            seconds(partial(windowed.at, case.model, views, 0, MICROSCOPE, some), 1) for some in (points[:0], points)
        )
    except ImportError as error:
        print(f"| windowed | not run: {error} | - | - |")
        return
    image = potential + (both - potential) * whole / n_points
    show("windowed", f"{n_points} of {whole} scan points; potential {short(potential)} s", image)


def resident_megabytes() -> float:
    """Memory of this process now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rates", "memory", "tiers"))
    parser.add_argument("--samples", type=int, help="500 for rates, 10,000 for memory")
    parser.add_argument("--presets", nargs="+", default=["demo", "small", "paper"])
    parser.add_argument("--device", default="cpu", help="of torch, for rates and tiers")
    arguments = parser.parse_args()

    def measured() -> None:
        if arguments.what == "rates":
            rates(arguments.presets, arguments.samples or 500, arguments.device)
        elif arguments.what == "tiers":
            tiers(arguments.device)
        else:
            memory(arguments.samples or 10_000)

    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
