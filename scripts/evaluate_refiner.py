"""The chain with refiners and without, compared on the realism test set, dose by dose.

python scripts/evaluate_refiner.py refiners=[data/checkpoints/refiner.safetensors] output=out/refiner
python scripts/evaluate_refiner.py refiners=[a.safetensors,b.safetensors] names=[full,unet] series=[fept_l10]
python scripts/evaluate_refiner.py refiners=[] stages=[trace] seeds=[0,1,2]

Every row goes to OUTPUT/rows.csv as soon as it is known, and what is there is not computed again: an interrupted run
goes on where it stopped. Other settings, or other weights under an old name, make other rows. The tables by dose and by
series are printed and written to OUTPUT/tables.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import torch

from pann.core import ConfigError
from pann.core.files import atomic_path
from pann.pipeline.evaluation import (
    Arm,
    Case,
    RowFile,
    Scheme,
    compare,
    comparison_tables,
    network_free,
    realism_cases,
    series_files,
    with_refiner,
)
from pann.pipeline.evaluation.baseline import TUNED, TUNED_BRIGHT
from pann.pipeline.evaluation.comparison import COLUMNS, KEY
from pann.training.words import run_words

FOLDER = Path(__file__).resolve().parents[1] / "data" / "test_series"
HELP = {
    "refiners": "list of checkpoints, each an arm beside the network-free chain; [] for that one alone",
    "names": "names of these arms; [] takes those of the files",
    "series": "names in the folder; [] for all",
    "folder": "of the noise-free series and their truths",
    "doses": "[e/Å² per projection]",
    "high_doses": "further doses, for series of at most 21 tilts or above 1,000 atoms",
    "seeds": "of the noise",
    "stages": "trace, fit or both",
    "every": "use every such tilt",
    "limit": "largest tilt [deg]; null for all",
    "method": "reconstruction of all arms: poisson, resire, sirt or wbp; null for what the arms say",
    "iterations": "passes of that reconstruction, without an early stop; null for what the arms say",
    "network_free": "options of infer.py for the network-free arm; null for the tuned ones",
    "refined": "options of infer.py for the arms with a refiner",
    "radius": "of matching [Å]",
    "veto": "ask which volume refiner.choose=likelihood would have kept",
    "threads": "CPU threads; null: all cores",
    "output": "folder of rows.csv and tables.md",
}


@dataclass
class Options:
    """The keys of the command line; `HELP` says what each means."""

    refiners: list[str] = field(default_factory=lambda: ["data/checkpoints/refiner.safetensors"])
    names: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    folder: str = str(FOLDER)
    doses: list[float] = field(default_factory=lambda: [25.0, 50.0, 100.0, 200.0])
    high_doses: list[float] = field(default_factory=lambda: [500.0, 2000.0])
    seeds: list[int] = field(default_factory=lambda: [0])
    stages: list[str] = field(default_factory=lambda: ["trace", "fit"])
    every: int = 1
    limit: float | None = None
    method: str | None = None
    iterations: int | None = None
    network_free: list[str] | None = None
    refined: list[str] = field(default_factory=list)
    radius: float = 1.0
    veto: bool = True
    threads: int | None = None
    output: str = "out/evaluate_refiner"


def arms(options: Options) -> list[Arm]:
    """The network-free chain and each refiner."""
    recipe = [] if options.method is None else [f"reconstruction.method={options.method}"]
    if options.iterations is not None:
        recipe += [
            f"reconstruction.iterations={options.iterations}",
            f"reconstruction.min_iterations={options.iterations}",
        ]
        recipe += ["reconstruction.stop_ratio=null", "reconstruction.stall=null"]
    if options.names and len(options.names) != len(options.refiners):
        raise ConfigError(f"names: {len(options.names)} names for {len(options.refiners)} refiners: give one each")
    names = options.names or [None] * len(options.refiners)
    free: Sequence[str] = TUNED if options.network_free is None else options.network_free
    bright = TUNED_BRIGHT if options.network_free is None else free
    refined = [
        with_refiner(path, [*options.refined, *recipe], name)
        for path, name in zip(options.refiners, names, strict=True)
    ]
    return [network_free([*free, *recipe], [*bright, *recipe]), *refined]


def cases(options: Options) -> list[Case]:
    """Every series at every dose and seed."""
    scheme = Scheme(options.every, options.limit)
    paths = series_files(options.folder, options.series)
    every = (realism_cases(path, scheme, options.doses, options.high_doses, options.seeds) for path in paths)
    return list(chain.from_iterable(every))


def evaluate(options: Options) -> str:
    """Compute what is missing and return the tables."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    ways, output = arms(options), Path(options.output)
    file = RowFile(output / "rows.csv", COLUMNS, KEY)
    compare(cases(options), ways, file, options.stages, radius=options.radius, veto=options.veto)
    text = comparison_tables(file.rows, [(arm.name, arm.digest) for arm in ways])
    with atomic_path(output / "tables.md") as temporary:
        temporary.write_text(text)
    return text


def main(arguments: list[str]) -> int:
    """Print the tables; returns the exit status."""
    return run_words(evaluate, Options, arguments, HELP, str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
