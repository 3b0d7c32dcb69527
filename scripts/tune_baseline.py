"""Settings of the chain that lose the fewest atoms, without a network or with one, on particles of no test set.

python scripts/tune_baseline.py "grid=[reconstruction.psf_sigma=0.4|0.6,tracing.smoothing=0.3|0.6]" output=out/tune
python scripts/tune_baseline.py base=[tracing.smoothing=0.6] "grid=[existence.keep_rate=0.05|0.2]" stage=fit
python scripts/tune_baseline.py refiner=data/checkpoints/refiner.safetensors \
    "grid=[refiner.position_prior=network|0.1]" stage=fit

Every combination of the grid runs on the same counts: random particles of the training recipe with elements at will,
imaged by the linear tier with shot noise alone, 21 or 27 tilts within ±65°. Rows are kept in OUTPUT/rows.csv and not
computed again. Prints a Markdown table, the best settings first.
"""

import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from pann.core import ConfigError
from pann.pipeline.evaluation import Arm, Pooled, RowFile, compare, simulated_cases, with_refiner
from pann.pipeline.evaluation.arms import CONF
from pann.pipeline.evaluation.comparison import COLUMNS, KEY
from pann.report.markdown import markdown_table
from pann.simulation import SimulationConfig
from pann.training.generation import simulation_values
from pann.training.words import run_words

RECIPE = ("tilts=[sparse,single_65_5]", "noise=clean")
HELP = {
    "base": "options of infer.py that all settings share",
    "grid": "options to vary, each key=value|value|...; existence=null leaves the tests out",
    "refiner": "weights of the refiner; null for the network-free chain",
    "stage": "trace or fit: where atoms are counted",
    "particles": "number of random particles",
    "atoms": "least and largest number of atoms",
    "doses": "[e/Å² per projection]",
    "seed": "of the particles",
    "threads": "CPU threads; null: all cores",
    "output": "folder of rows.csv",
}


@dataclass
class Options:
    """The keys of the command line; `HELP` says what each means."""

    base: list[str] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    refiner: str | None = None
    stage: str = "trace"
    particles: int = 6
    atoms: list[int] = field(default_factory=lambda: [100, 400])
    doses: list[float] = field(default_factory=lambda: [25.0, 50.0, 100.0, 200.0])
    seed: int = 4242
    threads: int | None = None
    output: str = "out/tune_baseline"


def settings(options: Options) -> list[Arm]:
    """One arm for each combination of the grid."""
    axes = []
    for word in options.grid:
        key, equals, values = word.partition("=")
        if not equals or not values:
            raise ConfigError(f"grid: {word!r} is not of the form key=value|value")
        axes.append([f"{key}={value}" for value in values.split("|")])
    chosen = [[*options.base, *combination] for combination in product(*axes)]
    if options.refiner is not None:
        return [with_refiner(options.refiner, words, " ".join(words) or "defaults") for words in chosen]
    return [Arm(" ".join(words) or "defaults", tuple(words)) for words in chosen]


def simulation(atoms: list[int]) -> SimulationConfig:
    """The training recipe with particles of so many `atoms`."""
    words = [*RECIPE, f"simulation.structures.default.n_atoms={atoms}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return SimulationConfig.from_mapping(simulation_values(compose("simulate", words), CONF / "simulation"))


def table(file: RowFile, arms: list[Arm], options: Options) -> str:
    """Missed and false atoms per 100 true ones of every setting, the best first."""
    head = ["settings", *(f"{dose:g} e/Å²" for dose in options.doses), "all", "inner", "surface", "RMSD [pm]"]
    lines = []
    for arm in arms:
        rows = [row for row in file.rows if row["settings"] == arm.digest and row["stage"] == options.stage]
        pooled = Pooled.of(rows)
        by_dose = [Pooled.of([row for row in rows if float(row["dose"]) == dose]).wrong[0] for dose in options.doses]
        own = [word for word in arm.overrides if word not in options.base]
        name = " ".join(own or arm.overrides) or "defaults"
        cells = [name, *(f"{value:.1f}" for value in (*by_dose, *pooled.wrong, pooled.rmsd_pm))]
        lines.append((pooled.wrong[0], cells))
    return markdown_table(head, [cells for _, cells in sorted(lines, key=lambda line: line[0])])


def tune(options: Options) -> str:
    """Compute what is missing and return the table."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    arms = settings(options)
    file = RowFile(Path(options.output) / "rows.csv", COLUMNS, KEY)
    cases = simulated_cases(simulation(options.atoms), options.seed, options.particles, options.doses)
    compare(cases, arms, file, [options.stage])
    return table(file, arms, options)


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit status."""
    return run_words(tune, Options, arguments, HELP, str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
