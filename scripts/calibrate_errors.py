"""Are the error bars true, and is the false-positive rate the stated one? Prints Markdown tables.

python scripts/calibrate_errors.py [--particles 4] [--doses 1000 4000 16000] [--output out/calibration.md]
python scripts/calibrate_errors.py --demo data/demo/series.h5 data/demo/truth.xyz

Simulated: balls of 150 Pt and Ni atoms cut from an fcc crystal, displaced by 0.1 Å, 27 tilts over ±65°, linear image
model. With --demo: the true atoms fitted to images of another model of scattering, where the error bars lack its share.
"""

import argparse
import sys
from math import ceil
from pathlib import Path

import numpy as np
from ase.build import bulk
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from pann.core import AtomicModel, TiltSeries
from pann.core.files import atomic_path
from pann.core.random import generator
from pann.core.units import electrons_per_pixel
from pann.fitting import FitResult, fit
from pann.fitting.existence import Scene, decide_atoms
from pann.fitting.inflation import score_inflation, weakness_inflation
from pann.io import read_atoms, read_tilt_series
from pann.report.markdown import markdown_table
from pann.simulation import Microscope, Views, tier_from_mapping
from pann.training.words import exit_status

ATOMS, LATTICE, DISPLACEMENT = 150, 3.85, 0.1
PIXEL, MARGIN, TILTS = 0.4, 5.0, np.linspace(-65, 65, 27)
BACKGROUND = 0.1
"""Share of the mean of the images."""
START = 0.15
"""Error of the start along each axis [Å]."""
FULL_SHELL = 11
"""Nearest neighbours from which an atom counts as an inner one; fcc has 12."""
FALSE_SHARE = 0.02
HEADER = (
    "atoms",
    "dose [e/Å²]",
    "n",
    "variance",
    "unwidened",
    "within one sigma [%]",
    "RMSD / bound",
    "reduced χ²",
    "κ",
)
FALSE_HEADER = ("dose [e/Å²]", "series", "false atoms stated", "false atoms added")
Row = tuple[str, ...]


def particle(seed: int) -> AtomicModel:
    """A ball of platinum and nickel in random orientation."""
    rng = generator(seed, "calibration")
    sites = bulk("Pt", "fcc", a=LATTICE, cubic=True).repeat(8).positions
    sites = sites - sites.mean(0) + rng.uniform(-1, 1, size=3)
    ball = sites[np.argsort((sites**2).sum(1))[:ATOMS]]
    turned = Rotation.random(random_state=seed).apply(ball) + rng.normal(scale=DISPLACEMENT, size=ball.shape)
    return AtomicModel(turned, rng.choice([28, 78], size=ATOMS), name=f"particle {seed}")


def recorded(model: AtomicModel, dose: float, seed: int) -> TiltSeries:
    """Counts of `model` at `dose` [e/Å² per projection]."""
    edge = 2 * ceil((np.linalg.norm(model.positions, axis=1).max() + MARGIN) / PIXEL)
    views = Views(TILTS, (edge, edge), PIXEL)
    fractions = tier_from_mapping({"name": "linear"}).fractions(model, views, Microscope()).astype(np.float64)
    expected = (fractions + BACKGROUND * fractions.mean()) * electrons_per_pixel(dose, PIXEL)
    counts = generator(seed, "counts", int(dose)).poisson(expected)
    return TiltSeries(counts, TILTS, PIXEL, dose=dose, name=model.name)


def inner_atoms(positions: np.ndarray) -> np.ndarray:
    """Which atoms have a full shell of neighbours, (n_atoms,)."""
    tree = cKDTree(positions)
    usual = np.median(tree.query(positions, k=2)[0][:, 1])
    return np.array([len(near) - 1 for near in tree.query_ball_point(positions, 1.3 * usual)]) >= FULL_SHELL


class Residuals:
    """Errors of fits in units of their error bars, of inner and of surface atoms."""

    def __init__(self) -> None:
        self.whitened: dict[str, list[np.ndarray]] = {"inner": [], "surface": []}
        self.scaled: dict[str, list[np.ndarray]] = {"inner": [], "surface": []}
        self.bare: dict[str, list[np.ndarray]] = {"inner": [], "surface": []}
        self.inflation: dict[str, list[np.ndarray]] = {"inner": [], "surface": []}
        self.ratios: list[float] = []
        self.chi2: list[float] = []

    def add(self, series: TiltSeries, result: FitResult, truth: AtomicModel) -> None:
        """Count a fit whose atoms are in the order of `truth`; its error bars are inflated as the chain does."""
        error, inner = result.model.positions - truth.positions, inner_atoms(truth.positions)
        scene = Scene.of(series, result)
        factor = score_inflation(scene, result.model)
        wider = np.maximum(1, factor / result.inflation) * weakness_inflation(scene, result.model)
        covariance = result.model.covariance * wider[:, None, None]
        whitened = np.linalg.solve(np.linalg.cholesky(covariance), error[..., None])[..., 0]
        scaled = error / np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        for name, chosen in (("inner", inner), ("surface", ~inner)):
            self.whitened[name].append(whitened[chosen])
            self.scaled[name].append(scaled[chosen])
            self.bare[name].append((whitened * np.sqrt(wider)[:, None])[chosen])
            self.inflation[name].append(factor[chosen])
        self.ratios.append(100 * float(np.sqrt((error**2).sum(1).mean())) / result.bound_pm)
        self.chi2.append(result.reduced_chi2)

    def rows(self, dose: str) -> list[Row]:
        """Of the table: `HEADER`."""
        rows = []
        for name in self.whitened:
            whitened, scaled = np.concatenate(self.whitened[name]), np.concatenate(self.scaled[name])
            inside = 100 * (np.abs(scaled) < 1).mean()
            variance = f"{(whitened**2).mean():.3f} ± {np.sqrt(2 / whitened.size):.3f}"
            factor = float(np.concatenate(self.inflation[name]).mean())
            ends = (f"{np.mean(self.ratios):.3f}", f"{np.mean(self.chi2):.3f}", f"{factor:.3f}")
            bare = f"{(np.concatenate(self.bare[name]) ** 2).mean():.3f}"
            rows.append((name, dose, f"{len(whitened)}", variance, bare, f"{inside:.1f}", *ends))
        return rows


def simulated(arguments: argparse.Namespace) -> str:
    """Tables of error bars and of false atoms."""
    rows: list[Row] = []
    false: list[Row] = []
    for dose in arguments.doses:
        residuals, added, stated = Residuals(), 0, 0.0
        for seed in range(arguments.particles):
            truth = particle(seed)
            series = recorded(truth, dose, seed)
            shift = generator(seed, "start").normal(scale=START, size=truth.positions.shape)
            start = truth.replace(positions=truth.positions + shift)
            residuals.add(series, fit(series, start, progress=False), truth)
            # the first round adds what passes in a series where every atom is known; the second only fits
            found = decide_atoms(series, truth, false_share=FALSE_SHARE, keep_rate=0.9, max_rounds=2, progress=False)
            added, stated = added + found.added, stated + FALSE_SHARE * len(truth)
        rows += residuals.rows(f"{dose:,.0f}")
        false.append((f"{dose:,.0f}", f"{arguments.particles}", f"{stated:.1f}", f"{added}"))
        print(rows[-2:], false[-1], file=sys.stderr, flush=True)
    return f"{markdown_table(HEADER, rows)}\n\n{markdown_table(FALSE_HEADER, false)}\n"


def demo(arguments: argparse.Namespace) -> str:
    """The table for the true atoms of a series that the linear model does not describe."""
    series, truth = read_tilt_series(arguments.demo[0]), read_atoms(arguments.demo[1])
    residuals = Residuals()
    residuals.add(series, fit(series, truth, progress=False), truth)
    return markdown_table(HEADER, residuals.rows(f"{series.dose:,.0f}")) + "\n"


def main() -> int:
    """Parse the command line, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=4)
    parser.add_argument("--doses", type=float, nargs="+", default=[1000.0, 4000.0, 16000.0])
    parser.add_argument("--demo", type=Path, nargs=2, metavar=("SERIES", "TRUTH"))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()

    def tables() -> None:
        text = demo(arguments) if arguments.demo else simulated(arguments)
        if arguments.output is not None:
            with atomic_path(arguments.output) as temporary:
                temporary.write_text(text)
        print(text)

    return exit_status(tables)


if __name__ == "__main__":
    sys.exit(main())
