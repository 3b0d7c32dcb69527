"""Ways to name elements, compared on the realism test set after the chain's own tracing, dose by dose.

python scripts/evaluate_classifier.py output=out/classifier
python scripts/evaluate_classifier.py weights=out/train/classifier/run1/classifier.safetensors series=[fept_l10]
python scripts/evaluate_classifier.py "chain=[refiner=null]" output=out/classifier_raw

Every row goes to OUTPUT/rows.csv as soon as it is known, and what is there is not computed again. Other settings, or
other weights, make other rows; what the chain traced is kept in OUTPUT/traced for other weights of the classifier. The
tables are printed and written to OUTPUT/tables.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from pann.core.files import atomic_path
from pann.pipeline.evaluation import Arm, Case, RowFile, Scheme, realism_cases, series_files
from pann.pipeline.evaluation.element_tables import element_tables
from pann.pipeline.evaluation.elements import COLUMNS, KEY, compare_elements
from pann.pipeline.options import ChainOptions
from pann.training.words import run_words

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "data" / "checkpoints"
HELP = {
    "weights": "of the classifier",
    "refiner": "weights of the refiner; null leaves it out",
    "series": "names in the folder; [] for all with more than one element",
    "folder": "of the noise-free series and their truths",
    "doses": "[e/Å² per projection]",
    "seeds": "of the noise",
    "chain": "further options of infer.py",
    "reject": "probability of being no atom from which a peak is removed",
    "loosen": "share of the refiner's threshold at which atoms are traced, as classifier.loosen",
    "radius": "of matching [Å]",
    "threads": "CPU threads; null: all cores",
    "output": "folder of rows.csv and tables.md",
}


@dataclass
class Options:
    """The keys of the command line; `HELP` says what each means."""

    weights: str = str(CHECKPOINTS / "classifier.safetensors")
    refiner: str | None = str(CHECKPOINTS / "refiner.safetensors")
    series: list[str] = field(default_factory=list)
    folder: str = str(ROOT / "data" / "test_series")
    doses: list[float] = field(default_factory=lambda: [50.0, 200.0, 1000.0, 5000.0, 20000.0])
    seeds: list[int] = field(default_factory=lambda: [0])
    chain: list[str] = field(default_factory=list)
    reject: float = 0.5
    loosen: float = 0.6
    radius: float = 1.0
    threads: int | None = None
    output: str = "out/evaluate_classifier"


def cases(options: Options) -> list[Case]:
    """Every series of several elements at every dose and seed."""
    paths = series_files(options.folder, options.series)
    every = chain.from_iterable(realism_cases(path, Scheme(), options.doses, [], options.seeds) for path in paths)
    return [case for case in every if len(np.unique(case.target.truth.numbers)) > 1]


def evaluate(options: Options) -> str:
    """Compute what is missing and return the tables."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    arm = Arm("chain", tuple(options.chain), None if options.refiner is None else Path(options.refiner))

    def settings(elements: Sequence[str]) -> ChainOptions:
        chosen = arm.options(elements)
        chosen = replace(chosen, classifier={"method": "network", "reject": options.reject, "loosen": options.loosen})
        # an arm keeps the refined atoms whatever the images say; here the chain decides, as it does for a user
        return chosen if chosen.refiner is None else replace(chosen, refiner=chosen.refiner | {"choose": "likelihood"})

    output = Path(options.output)
    file = RowFile(output / "rows.csv", COLUMNS, KEY)
    weights = Path(options.weights)
    digest = compare_elements(
        cases(options), settings, weights, options.reject, file, output / "traced", radius=options.radius
    )
    text = element_tables(file.rows, digest)
    with atomic_path(output / "tables.md") as temporary:
        temporary.write_text(text)
    return text


def main(arguments: list[str]) -> int:
    """Print the tables; returns the exit status."""
    return run_words(evaluate, Options, arguments, HELP, str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
