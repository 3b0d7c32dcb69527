"""Seconds and peak memory of the refiner on volumes of several sizes; prints a Markdown table.

python scripts/benchmark_refiner.py data/checkpoints/refiner.safetensors [--sizes 64 128 256] [--threads 2]

The volumes are smooth noise, which costs what an object costs. Each size is measured in a process of its own, for its
peak memory; what the process holds before it refines (libraries, weights, the volume) is given beside it.
"""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from pann.core import TiltSeries, Volume
from pann.core.random import generator
from pann.refiner import Refiner
from pann.training.words import exit_status

TILTS = np.linspace(-65.0, 65.0, 27)
DOSE = 100.0
"""[e/Å² per projection]"""


@dataclass(frozen=True)
class Case:
    """One row: weights, edge of the volume [voxels], and how the refiner runs."""

    checkpoint: str
    size: int
    threads: int
    device: str
    precision: str
    flips: int


@dataclass(frozen=True)
class Cost:
    """What a row prints: seconds, memory before and at the peak [GB], parameters."""

    seconds: float
    before: float
    peak: float
    parameters: int


def memory() -> float:
    """Peak memory of this process so far [GB]: of the device where that is a GPU, else resident."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def measure(case: Case) -> Cost:
    """Refine one volume at the voxel of the weights, so that nothing is resampled."""
    torch.set_num_threads(case.threads)
    refiner = Refiner.load(case.checkpoint, case.device)
    rng = generator(0, "benchmark", case.size)
    noise = gaussian_filter(rng.standard_normal((case.size,) * 3, dtype=np.float32), 1.5)
    volume = Volume(np.maximum(noise, 0), refiner.voxel_size)
    images = rng.poisson(1.0, (len(TILTS), case.size, case.size))
    series = TiltSeries(images, TILTS, refiner.voxel_size, dose=DOSE)
    before = memory()
    start = time.perf_counter()
    refiner(volume, series, flips=case.flips, precision=case.precision, progress=False)
    seconds = time.perf_counter() - start
    return Cost(seconds, before, memory(), sum(weight.numel() for weight in refiner.net.parameters()))


def alone(case: Case) -> Cost:
    """`measure` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--flips", type=int, default=2, help="mirror images averaged, 1 to 8")
    arguments = parser.parse_args()
    print("| weights | parameters | volume | device | seconds | memory before [GB] | at the peak [GB] |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    device = "cuda" if arguments.device == "cuda" else f"{arguments.threads} threads"

    def measured() -> None:
        for path in arguments.checkpoints:
            for size in arguments.sizes:
                case = Case(str(path), size, arguments.threads, arguments.device, arguments.precision, arguments.flips)
                cost = alone(case)
                numbers = f"{cost.seconds:.1f} | {cost.before:.2f} | {cost.peak:.2f}"
                print(f"| {path.stem} | {cost.parameters:,} | {size}³ | {device} | {numbers} |", flush=True)

    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
