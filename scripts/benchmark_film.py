"""The fit of an experimental film that goes on beyond the field; prints a Markdown table.

python scripts/benchmark_film.py DATA [--variants 1 2 ...]

DATA is the folder that holds ta_film/; sub-area 22. Atoms are traced in a reconstruction as wide as the tilted images
see. Those beyond the field are fitted along, for the light they throw into it. Scores count the atoms of the authors'
model, itself traced, that one of ours lies within 1 Å of. R-free is that of every fifth image, fitted by none
(`pann.fitting.cross_validation`): the fit starts from the same traced atoms, which saw all images.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat

from pann.core import AtomicModel, PointSpread, Volume
from pann.fitting import AtomFlag, fit
from pann.fitting.cross_validation import cross_validate
from pann.io import read_angles, read_tilt_series
from pann.metrics import score
from pann.report.markdown import markdown_row
from pann.tomography import make_projector
from pann.tomography.extent import extended_shape
from pann.tomography.least_squares import resire
from pann.tracing import trace

AREA, PIXEL, CENTRE, MARGIN = 22, 0.3216, np.array([201, 176, 171]), 6
"""Sub-area; [Å]; origin of the authors' model and margin of the box [pixels] (README of the data set)."""
TRACING = {"min_distance": 1.87, "smoothing": 0.3, "least_share": 0.12}
ITERATIONS = 80
LOOSE: dict[str, Any] = {"halo": "fixed", "max_iterations": 12}
TERMS: dict[str, Any] = LOOSE | {"intensities": "factor", "factor_sd": 0.3, "surface": 2}
VARIANTS: dict[str, tuple[bool, dict[str, Any]]] = {
    "inside only": (False, LOOSE),
    "all": (True, LOOSE),
    "all, factors and surface": (True, TERMS),
    "all, factors and surface, 0.5 Å at most": (True, TERMS | {"max_shift": 0.5}),
    "all, factors, surface and halo, 0.5 Å at most": (True, TERMS | {"max_shift": 0.5, "halo": "free"}),
    "all, factors and surface, prior 0.2 Å": (True, TERMS | {"position_prior": 0.2}),
    "all, factors and surface, prior 0.1 Å": (True, TERMS | {"position_prior": 0.1}),
    "atoms held (prior 1e-4 Å), factors and surface": (True, TERMS | {"position_prior": 1e-4}),
}


def row(*cells: object) -> None:
    """One line of a Markdown table."""
    print(markdown_row(cells), flush=True)


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    known = range(len(VARIANTS))
    parser.add_argument("--variants", type=int, nargs="+", choices=known, default=list(known))
    arguments = parser.parse_args()
    folder = arguments.data / "ta_film"
    angles = read_angles(folder / "angles.mat")
    images = folder / f"Projections_area{AREA}.mat"
    series = read_tilt_series(images, angles=angles, pixel_size=PIXEL, kind="intensity")
    boxes = loadmat(folder / "alignPara.mat")
    centre, half = (boxes[key][AREA - 1].astype(float) for key in ("CropCen", "CropHalf"))
    listed = loadmat(folder / "model_y_le_126.mat")["model"].T - (centre - CENTRE) * PIXEL
    authors = AtomicModel(listed[(np.abs(listed) <= (half - MARGIN) * PIXEL).all(1)])

    nx, ny = series.image_shape
    shape = extended_shape(series.angles, (nx, ny, nx))
    projector = make_projector(series.angles, shape, (nx, ny), pixel_size=PIXEL, psf=PointSpread((0.4,)))
    density = resire(torch.tensor(series.images), projector, iterations=ITERATIONS, progress=False)
    traced = trace(Volume(density.numpy(), PIXEL), **TRACING)
    inside = np.abs(traced.positions[:, 0]) < nx / 2 * PIXEL

    def scored(model: AtomicModel) -> tuple[str, str]:
        found = score(model.replace(covariance=None), authors, radius=1.0, centre=False)
        return f"{found['matched']}/{found['n_gt']}", f"{found['rmsd_pm']:.1f}"

    row(
        "fit", "atoms", "R-factor", "R-work", "R-free", "of the authors' atoms", "distance [pm]", "atoms at their limit"
    )
    row(*("---",) * 8)
    row("traced", len(traced), "-", "-", "-", *scored(traced), "-")
    for name, (everything, options) in [[*VARIANTS.items()][k] for k in arguments.variants]:
        start = traced if everything else traced.select(inside)
        result = fit(series, start, covariance="none", progress=False, **options)
        r_factor = f"{result.r_factor_before:.4f} -> {result.r_factor_after:.4f}"
        tested = cross_validate(series, start, progress=False, **options)
        both = (f"{tested.r_work:.4f}", f"{tested.r_free:.4f}")
        drifted = int((result.flags & AtomFlag.DRIFTED != 0).sum())
        row(name, len(start), r_factor, *both, *scored(result.model), drifted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
