"""What dose does an experiment need? Bound on the RMSD, detection and Bayes error of an expected structure.

python scripts/plan_dose.py model=particle.xyz pixel_size=0.4 angles=[-65,-60,...,65] output=out/plan
python scripts/plan_dose.py model=particle.xyz pixel_size=0.4 tilt_limit=65 n_tilts=27 doses=[100,500,2000]
"""

import sys
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING

from pann.core import AtomicModel, ConfigError
from pann.core.elements import atomic_number, symbols
from pann.core.files import atomic_path
from pann.fitting.planning import Acquisition, Plan, plan_dose, plan_tilt_range
from pann.io import read_angles, read_atoms
from pann.report.markdown import markdown_table
from pann.report.plan_figure import plan_figure
from pann.simulation import Microscope, atom_kernels, series_psf
from pann.training.words import run_words

TILT_LIMITS = (50, 60, 65, 70, 80, 90)
HELP = {
    "model": "file of the expected structure (any that pann.io reads), about its centre",
    "pixel_size": "[Å] of the images",
    "angles": "file or list of tilt angles [deg]; or give tilt_limit and n_tilts",
    "tilt_limit": "largest tilt [deg] of an even scheme from -limit to limit",
    "n_tilts": "number of tilts of that scheme",
    "doses": "list of doses [e/Å² per projection]; null for 25 to 25,600",
    "elements": "elements of the type numbers in the file, [Ni,Pt] for 1 = Ni, 2 = Pt; null where it names them",
    "background": "counts without the particle, as a share of its mean over the images",
    "energy": "of the electrons [eV]",
    "semiangle": "convergence semi-angle [mrad]",
    "inner": "inner angle of the annular detector [mrad]",
    "outer": "outer angle of the annular detector [mrad]",
    "source_sigma": "standard deviation of the effective source [Å]",
    "thermal_sigma": "rms displacement of an atom along one axis [Å]",
    "false_share": "false atoms that noise alone may add, as a share of the atoms",
    "output": "folder for plan.md and plan.png; null prints the table only",
}


@dataclass
class Options:
    """The keys of the command line; `HELP` says what each means."""

    model: str = MISSING
    pixel_size: float = MISSING
    angles: Any = None
    tilt_limit: float | None = None
    n_tilts: int | None = None
    doses: Any = None
    elements: Any = None
    background: float = 0.1
    energy: float = Microscope.energy
    semiangle: float = Microscope.semiangle
    inner: float = Microscope.inner
    outer: float = Microscope.outer
    source_sigma: float = Microscope.source_sigma
    thermal_sigma: float = 0.07
    false_share: float = 0.01
    output: str | None = None
    limits: list[float] = field(default_factory=lambda: list(TILT_LIMITS))


HELP["limits"] = "largest tilts [deg] of even schemes to compare"


def tilt_angles(options: Options) -> np.ndarray:
    """Angles (n_tilts,) or (n_tilts, 3) [deg]."""
    if options.angles is not None:
        if isinstance(options.angles, str):
            return read_angles(options.angles)
        return numbers("angles", options.angles)
    if options.tilt_limit is None or options.n_tilts is None:
        raise ConfigError("the tilts are missing: give angles=, or tilt_limit= and n_tilts=")
    if not 0 < options.tilt_limit <= 90 or options.n_tilts < 2:
        raise ConfigError("tilt_limit must be above 0 and at most 90 [deg], n_tilts at least 2")
    limit = options.tilt_limit
    return np.linspace(-limit, limit, options.n_tilts, endpoint=limit < 90)


def numbers(key: str, value: Any) -> np.ndarray:
    """A list of numbers from the command line."""
    try:
        return np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key}={value} cannot be read: expected {HELP[key]}") from error


def acquisition(model: AtomicModel, options: Options) -> Acquisition:
    """Cross-sections and profile of the elements of `model` in the microscope that `options` name."""
    if not options.pixel_size > 0:
        raise ConfigError(f"pixel_size is {options.pixel_size}: expected a positive number [Å]")
    if not (options.background >= 0 and options.thermal_sigma >= 0):
        raise ConfigError("background and thermal_sigma must not be negative")
    if not 0 < options.false_share < 1:
        raise ConfigError(f"false_share is {options.false_share}: expected a number above 0 and below 1")
    if np.any(model.numbers <= 0):
        raise ConfigError(f"{model.name} holds atoms without an element: name the types, such as elements=[Ni,Pt]")
    microscope = Microscope(
        options.energy, options.semiangle, options.inner, options.outer, source_sigma=options.source_sigma
    )
    kernels = atom_kernels(microscope, np.unique(model.numbers).tolist())
    return Acquisition(
        {number: kernel.cross_section for number, kernel in kernels.items()},
        series_psf(model, options.pixel_size, microscope, options.thermal_sigma),
        options.pixel_size,
        options.background,
    )


def table(plan: Plan, n_tilts: int, dose: float, limits: list[float], limits_pm: np.ndarray) -> str:
    """The plan as two Markdown tables."""
    head = ["dose [e/Å² per projection]", "in all", "RMSD [pm]", "x", "y", "z"]
    head += [f"{symbol} found [%]" for symbol in plan.detection]
    head += [f"{pair} confused [%]" for pair in plan.confusion]
    lines = []
    for k, value in enumerate(plan.doses):
        row = [f"{value:,.0f}", f"{value * n_tilts:,.0f}", f"{plan.rmsd_pm[k]:.1f}"]
        row += [f"{axis:.1f}" for axis in plan.axes_pm[k]]
        row += [f"{100 * chances[k]:.1f}" for chances in plan.detection.values()]
        row += [f"{100 * chances[k]:.1f}" for chances in plan.confusion.values()]
        lines.append(row)
    range_head = ["largest tilt [deg]", f"RMSD at {dose:,.0f} e/Å² [pm]", "x", "y", "z (beam)"]
    ranges = []
    for limit, axes in zip(limits, limits_pm, strict=True):
        ranges.append([f"{limit:g}", f"{sqrt(float((axes**2).sum())):.1f}", *(f"{axis:.1f}" for axis in axes)])
    note = f"An atom is found when it stands {plan.level:.2f} standard deviations above noise.\n"
    return "\n\n".join([markdown_table(head, lines), markdown_table(range_head, ranges), note])


def plan(options: Options) -> str:
    """Plan, write the files that `options` ask for, and return the table."""
    types = None if options.elements is None else [symbols([atomic_number(e)])[0] for e in options.elements]
    model = read_atoms(options.model, types=types)
    model = model.replace(positions=model.positions - model.positions.mean(0))
    angles = tilt_angles(options)
    optics = acquisition(model, options)
    doses = 25.0 * 2.0 ** np.arange(11) if options.doses is None else numbers("doses", options.doses)
    result = plan_dose(model, angles, optics, doses.tolist(), false_share=options.false_share)
    middle = float(result.doses[len(result.doses) // 2])
    limits_pm = plan_tilt_range(model, options.limits, len(angles), optics, middle)
    text = table(result, len(angles), middle, options.limits, limits_pm)
    if options.output is not None:
        folder = Path(options.output)
        with atomic_path(folder / "plan.md") as temporary:
            temporary.write_text(text)
        figure = plan_figure(
            result.doses,
            result.rmsd_pm,
            result.axes_pm,
            result.detection,
            result.confusion,
            options.limits,
            limits_pm,
        )
        with atomic_path(folder / "plan.png") as temporary:
            figure.savefig(temporary, dpi=130, facecolor="white", format="png")
    return text


def main(arguments: list[str]) -> int:
    """Print the table; returns the exit status."""
    return run_words(plan, Options, arguments, HELP, str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
