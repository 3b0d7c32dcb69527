"""What keeps the fit of multiply scattered images from the bound of the linear model; prints Markdown tables.

python scripts/limits_prism.py [data/test_series/fept_l10.h5 ...] [--dose 100000]

The same particle at the same dose in four series, each with one departure from the linear model more: sums of the
images of isolated atoms, blurred by thermal motion; atoms displaced anew in every image instead; each atom out of focus
by its own height; and frozen-phonon PRISM, which has all of it and channelling. Each is fitted from positions wrong by
0.1 Å along each axis with the terms of the model by which a departure might be met. The bound is that of the images as
fitted, before error bars are widened.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pann.core import TiltSeries
from pann.core.random import generator
from pann.core.units import PICOMETRES_PER_ANGSTROM, electrons_per_pixel
from pann.fitting import fit
from pann.report.markdown import markdown_row
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.views import Views
from pann.simulation.realism import NoiseFreeSeries
from pann.training.words import exit_status

THERMAL, START_ERROR = 0.07, 0.1
"""Displacement of an atom along an axis in the test series, and error of the start [Å]."""
VARIANTS: dict[str, dict[str, Any]] = {
    "one Gaussian": {"halo": "fixed"},
    "core and halo (default)": {},
    "a width of each element": {"element_widths": True},
    "an intensity of each atom": {"intensities": "factor"},
    "a scale of each image": {"scales": True},
    "saturation": {"saturation": True},
    "attenuation": {"attenuation": True},
    "all of these": {
        "element_widths": True,
        "intensities": "factor",
        "scales": True,
        "saturation": True,
        "attenuation": True,
    },
}


def series_of(given: NoiseFreeSeries) -> dict[str, np.ndarray]:
    """Expected fractions (n_tilts, nx, ny) of the four series, those of the linear model scaled to PRISM's total."""
    measured, truth = given.fractions, given.truth
    draws = generator(0, "phonons", truth.name)
    shape = (measured.n_tilts, *truth.positions.shape)
    views = Views(measured.angles, measured.image_shape, measured.pixel_size)
    shaken = Views(
        measured.angles,
        measured.image_shape,
        measured.pixel_size,
        displacements=list(draws.normal(scale=THERMAL, size=shape)),
    )
    fractions = {
        "linear": LinearTier(THERMAL).fractions(truth, views, given.microscope),
        "... displaced in each image": LinearTier(0.0).fractions(truth, shaken, given.microscope),
        "... and out of focus": LinearTier(0.0, depth_of_focus=True).fractions(truth, shaken, given.microscope),
    }
    total = measured.images.sum(dtype=np.float64)
    scaled = {name: images * (total / images.sum(dtype=np.float64)) for name, images in fractions.items()}
    return scaled | {"PRISM": measured.images}


def table(path: Path, dose: float) -> None:
    """All fits of one particle."""
    given = NoiseFreeSeries.read(path)
    truth, frame = given.truth, given.fractions
    start = truth.positions + generator(0, "start").normal(scale=START_ERROR, size=truth.positions.shape)
    print(f"\n{path.stem}, {len(truth)} atoms, {frame.n_tilts} tilts, {dose:g} e/Å² per projection\n")
    row("series", "fit", "R-factor [%]", "reduced χ²", "RMSD [pm]", "bound [pm]", "ratio", "excess [pm]")
    row(*("---",) * 8)
    for name, fractions in series_of(given).items():
        expected = fractions.astype(np.float64) * electrons_per_pixel(dose, frame.pixel_size)
        counts = generator(1, name).poisson(expected)
        series = TiltSeries(counts, frame.angles, frame.pixel_size, dose=dose, name=name)
        for label, options in VARIANTS.items() if name in ("linear", "PRISM") else [*VARIANTS.items()][:2]:
            result = fit(series, truth.replace(positions=start), progress=False, **options)
            error = result.model.positions - truth.positions
            rmsd = PICOMETRES_PER_ANGSTROM * float(np.sqrt(((error - error.mean(0)) ** 2).sum(1).mean()))
            excess = np.sqrt(max(rmsd**2 - result.bound_pm**2, 0.0))
            ratio = rmsd / result.bound_pm
            quality = (f"{100 * result.r_factor_after:.2f}", f"{result.reduced_chi2:.3f}")
            row(name, label, *quality, f"{rmsd:.2f}", f"{result.bound_pm:.2f}", f"{ratio:.2f}", f"{excess:.2f}")


def row(*cells: str) -> None:
    """One line of a Markdown table, at once."""
    print(markdown_row(cells), flush=True)


def main() -> int:
    """Parse the command line and print a table for each particle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=Path, nargs="*", default=[Path("data/test_series/fept_l10.h5")])
    parser.add_argument("--dose", type=float, default=1e5, help="[e/Å² per projection]")
    arguments = parser.parse_args()

    def tables() -> None:
        for path in arguments.series:
            table(path, arguments.dose)

    return exit_status(tables)


if __name__ == "__main__":
    sys.exit(main())
