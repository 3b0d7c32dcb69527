"""Cost and accuracy of the likelihood fit on simulated series; prints Markdown tables.

python scripts/benchmark_fit.py scale [--sizes 500 2000 8000 20000 50000]
python scripts/benchmark_fit.py accuracy [--sizes 500 2000 8000]
python scripts/benchmark_fit.py covariance
python scripts/benchmark_fit.py width

The particles are balls cut from an fcc crystal with random displacements, in images that the linear model describes, so
that the Cramér-Rao bound is exact. Every fit starts from positions wrong by 0.5 Å and has the default options. Each row
is computed in a process of its own, for its peak memory.
"""

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from pann.core import AtomicModel, PointSpread, TiltSeries
from pann.core.geometry import rotation_matrices
from pann.core.random import generator
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.fitting import fit
from pann.fitting.existence import Scene
from pann.fitting.image_model import ImageModel
from pann.fitting.inflation import weakness_inflation
from pann.fitting.parameters import Layout, State

COUNTS = {78: 60.0, 46: 28.0, 28: 13.0}
"""Electrons that an atom of each element sends onto the detector in one image, at dose 1."""
BACKGROUND = 0.3
"""[counts per pixel]"""
SERIES = ((1, 1.0), (2, 1.0), (3, 1.0), (3, 4.0))
TILTS = ((60, 90.0), (41, 65.0))
"""Numbers of elements and doses of the table of accuracy, and numbers of images and their highest tilt."""
BOND, DISPLACEMENT = 2.75, 0.1
"""Of the crystal [Å]."""
PIXEL, MARGIN = 0.35, 2.5
"""[Å]"""
PSF = PointSpread.core_and_halo(0.40, 0.15, 2.5)
WIDTH_START_ERROR, FALSE_DISTANCE = 0.2, 1.2
"""Of the table of widths [Å]: error of the start along each axis, and how far false atoms are from true ones."""
START_ERROR = 0.5
"""Root mean square distance of the start from the truth [Å]."""


@dataclass(frozen=True)
class Case:
    """One row: a particle, its series, and how it is fitted."""

    n_atoms: int
    n_tilts: int = 60
    limit: float = 90.0
    n_elements: int = 1
    covariance: str = "auto"
    threads: int = 1
    field: int = 0
    dose: float = 1.0
    causes: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a row prints: seconds, memory [GB], RMSD and bound [pm]; ratio of the two for each element, heaviest first.

    `expected` is the RMSD of weak atoms (`pann.fitting.inflation.weakness_inflation`), the bound unless asked for.
    """

    field: int
    wall: float
    cpu: float
    iterations: int
    converged: bool
    memory: float
    rmsd: float
    bound: float
    sigmas: np.ndarray
    expected: float
    by_element: list[float]


def ball(n_atoms: int, rng: np.random.Generator) -> np.ndarray:
    """(n_atoms, 3) [Å]: the sites of a randomly turned fcc crystal that are closest to the origin."""
    reach = ceil((3 * n_atoms / (4 * np.pi) * 2) ** (1 / 3)) + 3
    points = np.stack(np.meshgrid(*3 * [np.arange(-reach, reach + 1)], indexing="ij"), -1).reshape(-1, 3)
    points = points[points.sum(1) % 2 == 0] * (BOND / np.sqrt(2))
    nearest = points[np.argsort((points**2).sum(1), kind="stable")[:n_atoms]]
    return nearest @ Rotation.random(rng=rng).as_matrix().T


def simulate(case: Case) -> tuple[TiltSeries, AtomicModel]:
    """Counts and the truth."""
    rng = generator(0, "benchmark", case.n_atoms)
    sites = ball(case.n_atoms, rng)
    positions = sites + rng.normal(scale=DISPLACEMENT, size=sites.shape)
    numbers = np.array(list(COUNTS)[: case.n_elements])[rng.integers(0, case.n_elements, case.n_atoms)]
    edge = case.field or 2 * ceil((np.linalg.norm(positions, axis=1).max() + MARGIN) / PIXEL)
    elements, group = np.unique(numbers, return_inverse=True)
    one = torch.ones(case.n_tilts, dtype=torch.float64)
    state = State(
        positions=torch.tensor(positions),
        intensity=torch.tensor([case.dose * COUNTS[int(number)] for number in elements], dtype=torch.float64),
        background=case.dose * BACKGROUND * one,
        scale=one,
        shifts=torch.zeros(case.n_tilts, 2, dtype=torch.float64),
        sigma=1.0,
    ).with_psf(PSF)
    angles = np.linspace(-case.limit, case.limit, case.n_tilts, endpoint=case.limit < 90)
    layout = Layout(torch.tensor(group), case.n_tilts)
    model = ImageModel(torch.tensor(rotation_matrices(angles)), (edge, edge), PIXEL, layout)
    counts = rng.poisson(model.at(state).images.numpy())
    return TiltSeries(counts, angles, PIXEL), AtomicModel(positions, numbers)


def measure(case: Case) -> Outcome:
    """Simulate, fit, compare."""
    torch.set_num_threads(case.threads)
    series, truth = simulate(case)
    error = generator(1, "start").normal(scale=START_ERROR / np.sqrt(3), size=truth.positions.shape)
    wall, cpu = time.perf_counter(), time.process_time()
    result = fit(series, truth.replace(positions=truth.positions + error), covariance=case.covariance, progress=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    squares = ((result.model.positions - truth.positions) ** 2).sum(1)
    variances = np.einsum("nii->ni", result.model.covariance) / result.inflation
    wider = weakness_inflation(Scene.of(series, result), result.model) if case.causes else 1.0
    of_element = [truth.numbers == number for number in COUNTS if number in truth.numbers]
    return Outcome(
        field=series.image_shape[0],
        wall=wall,
        cpu=cpu,
        iterations=result.iterations,
        converged=result.converged,
        memory=peak / 1e6,
        rmsd=PICOMETRES_PER_ANGSTROM * float(np.sqrt(squares.mean())),
        bound=result.bound_pm,
        sigmas=np.sqrt(variances.sum(1)),
        expected=PICOMETRES_PER_ANGSTROM * float(np.sqrt((wider * variances.sum(1)).mean())),
        by_element=[float(np.sqrt(squares[mine].mean() / variances[mine].sum(1).mean())) for mine in of_element],
    )


def alone(case: Case) -> Outcome:
    """`measure` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, case).result()


def show(*cells: object) -> None:
    """One line of a Markdown table, at once."""
    # imported here: the processes that measure import this file, and what it loads counts as their memory
    from pann.report.markdown import markdown_row

    texts = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(markdown_row(texts), flush=True)


def header(*names: str) -> None:
    """Names of the columns."""
    show(*names)
    show(*("---" for _ in names))


def scale(arguments: argparse.Namespace) -> None:
    """How the cost grows with the number of atoms."""
    header("atoms", "images", "s (wall)", "s (CPU)", "CPU ms per atom", "steps of the last stage", "GB", "RMSD / bound")
    for n_atoms in arguments.sizes:
        field = 290 if n_atoms == 20_000 else 0
        row = alone(Case(n_atoms, arguments.tilts, threads=arguments.threads, field=field))
        ratio = f"{row.rmsd:.2f} / {row.bound:.2f} pm = {row.rmsd / row.bound:.3f}"
        cost = (row.wall, row.cpu, 1e3 * row.cpu / n_atoms, row.iterations, row.memory)
        show(n_atoms, f"{arguments.tilts} x {row.field}²", *cost, ratio)


def accuracy(arguments: argparse.Namespace) -> None:
    """RMSD beside the bound."""
    what = ("atoms", "elements", "counts of the faintest", "tilts")
    header(*what, "RMSD [pm]", "bound [pm]", "ratio", "by element", "expected [pm]", "converged", "s (CPU)")
    for n_atoms in arguments.sizes:
        for n_tilts, limit in (TILTS[k] for k in arguments.tilts):
            for n_elements, dose in (SERIES[k] for k in arguments.series):
                row = alone(Case(n_atoms, n_tilts, limit, n_elements, "auto", arguments.threads, 0, dose, True))
                faintest = dose * list(COUNTS.values())[n_elements - 1]
                images = (f"{faintest:.0f}", f"{n_tilts}, ±{limit:.0f}°")
                ratios = (f"{row.rmsd:.3f}", f"{row.bound:.3f}", f"{row.rmsd / row.bound:.3f}")
                causes = (", ".join(f"{ratio:.2f}" for ratio in row.by_element), f"{row.expected:.3f}")
                show(n_atoms, n_elements, *images, *ratios, *causes, row.converged, row.cpu)


def covariance(arguments: argparse.Namespace) -> None:
    """Sampled covariance against the inverse of the whole information, 500 atoms."""
    header("tilts", "elements", "bound, full [pm]", "bound, sampled [pm]", "ratio", "error of one σ (rms)")
    for n_tilts, limit, n_elements in ((60, 90.0, 1), (41, 65.0, 1), (21, 65.0, 3)):
        full, blocks = (
            alone(Case(500, n_tilts, limit, n_elements, method, arguments.threads)) for method in ("full", "blocks")
        )
        spread = float(np.sqrt(np.mean((blocks.sigmas / full.sigmas - 1) ** 2)))
        bounds = (f"{full.bound:.3f}", f"{blocks.bound:.3f}", f"{blocks.bound / full.bound:.4f}")
        show(f"{n_tilts}, ±{limit:.0f}°", n_elements, *bounds, f"{spread:.4f}")


def width(arguments: argparse.Namespace) -> None:
    """Width of the PSF at low doses, also with false atoms; 80 atoms, 21 tilts within 65 degrees."""
    torch.set_num_threads(arguments.threads)
    cores = ("core, likeliest [Å]", "core, unbiased [Å]")
    header("electrons of an atom", "true, false atoms", *cores, "RMSD of the two [pm]")
    for electrons in (6.0, 12.0, 50.0, 1000.0):
        series, truth = simulate(Case(80, 21, 65.0, dose=electrons / 21 / COUNTS[78]))
        rng = generator(2, "false atoms")
        error = rng.normal(scale=WIDTH_START_ERROR, size=truth.positions.shape)
        reach = np.abs(truth.positions).max()
        tried = rng.uniform(-reach, reach, size=(4000, 3))
        apart = np.linalg.norm(tried[:, None] - truth.positions[None], axis=2).min(1) > FALSE_DISTANCE
        for n_false in (0, 40):
            positions = np.concatenate([truth.positions + error, tried[apart][:n_false]])
            start = AtomicModel(positions, np.full(len(positions), 78))
            fits = [fit(series, start, covariance="none", unbiased_width=u, progress=False) for u in (False, True)]
            wrong = [result.model.positions[: len(truth)] - truth.positions for result in fits]
            rmsd = [PICOMETRES_PER_ANGSTROM * np.sqrt((each**2).sum(1).mean()) for each in wrong]
            found = [f"{result.psf.sigmas[0]:.3f}" for result in fits]
            show(f"{electrons:g}", f"{len(truth)}, {n_false}", *found, f"{rmsd[0]:.1f}, {rmsd[1]:.1f}")


def main() -> int:
    """Parse the command line and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = parser.add_subparsers(dest="table", required=True)
    rows = {scale: [500, 2000, 8000, 20_000, 50_000], accuracy: [500, 2000, 8000], covariance: [], width: []}
    for table, sizes in rows.items():
        options = tables.add_parser(table.__name__, help=table.__doc__)
        options.set_defaults(run=table)
        options.add_argument("--threads", type=int, default=1)
        if sizes:
            options.add_argument("--sizes", type=int, nargs="+", default=sizes)
        if table is accuracy:
            for name, every in (("series", range(len(SERIES))), ("tilts", range(len(TILTS)))):
                words = {"choices": every, "default": every, "help": f"rows of {name.upper()}"}
                options.add_argument(f"--{name}", type=int, nargs="+", **words)
        if table is scale:
            options.add_argument("--tilts", type=int, default=60)
    arguments = parser.parse_args()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
