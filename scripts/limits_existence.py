"""How many atoms the images of the realism test set can show, whatever the method; prints Markdown tables.

python scripts/limits_existence.py [--folder data/test_series] [--series fept_l10 ...]

The cases are those of scripts/evaluate_refiner.py. Limits by `pann.fitting.planning.existence_limits`: "blind" for a
method that looks for atoms one by one and knows nothing of crystals, "sites" for one that knows every site and all
other atoms, but not whether the site is filled. Inner sites of a crystal are filled: it limits surface atoms.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pann.fitting.planning import existence_limits
from pann.pipeline.evaluation.cases import Scheme, realism_cases, series_files
from pann.report.markdown import markdown_table
from pann.training.words import exit_status

FOLDER = Path(__file__).resolve().parents[1] / "data" / "test_series"
DOSES, HIGH_DOSES = (25.0, 50.0, 100.0, 200.0), (500.0, 2000.0)
HEAD = ("atoms", "blind: wrong per 100", "inner", "surface", "sites: surface")


def limits_of(path: Path) -> dict[float, NDArray[np.float64]]:
    """By dose, for every atom (n_atoms, 3): blind and sites, and whether it lies on the surface."""
    cases = realism_cases(path, Scheme(), DOSES, HIGH_DOSES, [0])
    target = cases[0].target
    found = existence_limits(target.truth, target.angles, target.acquisition, [case.dose for case in cases])
    return {
        case.dose: np.stack([blind, sites, target.surface], axis=1)
        for case, blind, sites in zip(cases, found.blind, found.sites, strict=True)
    }


def cells(atoms: NDArray[np.float64]) -> list[str]:
    """One line of a table from rows of `limits_of`."""
    surface = atoms[:, 2] > 0
    values = (atoms[:, 0], atoms[~surface, 0], atoms[surface, 0], atoms[surface, 1])
    return [str(len(atoms)), *(f"{100 * value.mean():.1f}" for value in values)]


def tables(paths: Sequence[Path]) -> None:
    """Print limits by dose, and by series and dose."""
    every = {path.stem: limits_of(path) for path in paths}
    doses = sorted({dose for found in every.values() for dose in found})
    pooled = [(f"{dose:g}", *cells(np.concatenate([f[dose] for f in every.values() if dose in f]))) for dose in doses]
    print(markdown_table(("dose [e/Å² per projection]", *HEAD), pooled) + "\n")
    lines = [(name, f"{dose:g}", *cells(atoms)) for name, found in every.items() for dose, atoms in found.items()]
    print(markdown_table(("series", "dose", *HEAD), lines))


def main() -> int:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--series", nargs="*", default=[], help="names in the folder; none for all")
    arguments = parser.parse_args()
    return exit_status(lambda: tables(series_files(arguments.folder, arguments.series)))


if __name__ == "__main__":
    sys.exit(main())
