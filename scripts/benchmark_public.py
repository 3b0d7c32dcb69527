"""Run the chain on the public data sets and print a table of how it does beside what was published.

python scripts/benchmark_public.py DATA [--output out/public] [--only asi208 ta_film] [--overrides refiner=null]

DATA is the folder that holds asi208/, ta_film/ and fept64_angles/. The table is also written to OUTPUT/table.md.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from scipy.io import loadmat

from pann.core import AtomicModel
from pann.core.files import atomic_path
from pann.io import read_angles, read_atoms, read_tilt_series, read_volume
from pann.metrics import score, transform_axes
from pann.pipeline import ChainResult, register, run
from pann.report.markdown import markdown_table
from pann.tomography import make_projector
from pann.tracing import trace
from pann.training.words import exit_status

ROOT = Path(__file__).resolve().parents[1]
FILM_PIXEL = 0.3216
"""[Å]; geometry of the film: README of the data set."""
FILM_CENTRE = np.array([201, 176, 171])
FILM_AREAS = (22, 5)
FILM_MARGIN = 6
HEADER = ("data", "volume and atoms", "recovery", "precision", "RMSD [pm]", "bound [pm]", "R-factor", "seconds", "GB")
Row = tuple[str, ...]


def infer(arguments: argparse.Namespace, name: str, *overrides: str) -> ChainResult:
    """Run `infer.py` with its own configuration and `overrides`; results go to OUTPUT/name."""
    register()
    options = [*overrides, *arguments.overrides, f"output={arguments.output / name}"]
    groups = [option for option in options if not option.endswith("=null")]
    left_out = [f"~{option.removesuffix('=null')}" for option in options if option.endswith("=null")]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("infer", [*groups, *left_out])
    return run(cfg)


def figures(data: str, what: str, scores: dict, output: Path | None = None) -> Row:
    """A row of the table, with the cost of the run whose summary lies in `output`."""
    bound = r_factor = seconds = memory = "-"
    if output is not None:
        summary = OmegaConf.load(output / "summary.json")
        steps = summary.steps.values()
        seconds = f"{sum(step.seconds for step in steps):.0f}"
        memory = f"{max(step.peak_mb for step in steps) / 1000:.1f}"
        if summary.fit is not None:
            bound = f"{summary.fit.bound_pm:.2f}"
            r_factor = f"{summary.fit.r_factor_before:.4f} -> {summary.fit.r_factor_after:.4f}"
    recovery = f"{scores['matched']}/{scores['n_gt']} = {100 * scores['recovery']:.1f} %"
    precision = scores.get("precision_text", f"{scores['matched']}/{scores['n_pred']}")
    return data, what, recovery, precision, f"{scores['rmsd_pm']:.2f}", bound, r_factor, seconds, memory


def amorphous_silicon(arguments: argparse.Namespace) -> Iterator[Row]:
    """Simulated counts of 208 atoms at two doses, scored within 0.9 Å as published."""
    folder = arguments.data / "asi208"
    truth = read_atoms(folder / "ground_truth.txt")
    for dose in ("1p6e4", "1p6e5"):
        label = f"asi208, {float(dose.replace('p', '.')):.2g} e/Å²"
        name = f"asi208_{dose}"
        published = loadmat(folder / f"published_model_dose{dose}.mat")["temp_model"].T
        published = (published / 3 - 2) * 0.195
        published = (published - published.mean(0))[:, [1, 0, 2]]
        yield figures(label, "published (BM3D, RESIRE)", score(AtomicModel(published), truth, radius=0.9))
        result = infer(
            arguments,
            name,
            f"input={folder / f'counts_dose{dose}.mat'}",
            f"angles={folder / 'angles.mat'}",
            "angle_sign=-1",
            "pixel_size=0.195",
            "elements=[Si]",
        )
        found = transform_axes(result.model, ["y", "x", "-z"])
        kept_first = result.refined is None or (result.verdict is not None and result.verdict.chosen == "raw")
        volume = "first" if kept_first else "refined"
        yield figures(label, f"PANN, {volume} volume", score(found, truth, radius=0.9), arguments.output / name)


def tantalum_film(arguments: argparse.Namespace) -> Iterator[Row]:
    """Experimental film: atoms of the authors' model inside the box that one of ours lies within 1 Å of."""
    folder = arguments.data / "ta_film"
    boxes = loadmat(folder / "alignPara.mat")
    model = loadmat(folder / "model_y_le_126.mat")["model"].T
    for area in FILM_AREAS:
        centre, half = (boxes[key][area - 1].astype(float) for key in ("CropCen", "CropHalf"))
        positions = model - (centre - FILM_CENTRE) * FILM_PIXEL
        limit = (half - FILM_MARGIN) * FILM_PIXEL
        inside = AtomicModel(positions[(np.abs(positions) <= limit).all(1)])
        theirs = read_volume(folder / f"ReconObj_sub{area}.mat", voxel_size=FILM_PIXEL)
        name = f"ta_film_{area}"
        result = infer(
            arguments,
            name,
            f"input={folder / f'Projections_area{area}.mat'}",
            f"angles={folder / 'angles.mat'}",
            f"pixel_size={FILM_PIXEL}",
            "elements=[Ta]",
            "reconstruction.extended=true",
        )
        label = f"ta_film {area}"
        same = {"min_distance": 1.87, "smoothing": 0.3, "least_share": 0.12}  # as the chain does
        traced = trace(theirs, **same)
        yield figures(label, "authors' volume, our tracing", film_score(traced, inside))
        yield figures(label, "PANN", film_score(result.model, inside), arguments.output / name)


def film_score(found: AtomicModel, truth: AtomicModel) -> dict:
    """Recovery and RMSD; the film goes on beyond the authors' model, so precision means nothing here."""
    return score(found, truth, radius=1.0, centre=False) | {"precision_text": "-"}


def convention(arguments: argparse.Namespace) -> Iterator[Row]:
    """Correlation of the projected true volume with the images, for true and for wrong Euler angles."""
    folder = arguments.data / "fept64_angles"
    volume = read_volume(folder / "FePt_Vol_64_asymmetric.mat", voxel_size=1.0)
    for file, kind in (("GroundTruth_angles_Turbu3_1015", "true"), ("angles_usedin_refine_1015", "wrong")):
        angles = read_angles(folder / f"{file}.mat")
        series = read_tilt_series(folder / "pj_new_Turbu3_1015.mat", angles=angles, pixel_size=1.0, kind="intensity")
        projector = make_projector(series.angles, volume.shape, series.image_shape, pixel_size=1.0)
        images = projector.forward(torch.tensor(volume.values)).numpy()
        pairs = zip(images, series.images, strict=True)
        mean = np.mean([np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] for ours, theirs in pairs])
        yield "fept64_angles", f"{kind} angles: mean correlation {mean:.4f}", "-", "-", "-", "-", "-", "-", "-"


SETS = {"asi208": amorphous_silicon, "ta_film": tantalum_film, "fept64_angles": convention}


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    return markdown_table(HEADER, rows) + "\n"


def main() -> int:
    """Parse the command line, run the chosen sets, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("out/public"))
    parser.add_argument("--only", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--overrides", nargs="*", default=[], help="options of infer.py, such as refiner=null")
    arguments = parser.parse_args()

    def chosen_sets() -> None:
        rows: list[Row] = []
        for name in arguments.only:
            rows += SETS[name](arguments)
            with atomic_path(arguments.output / "table.md") as temporary:
                temporary.write_text(table(rows))
        print(table(rows))

    return exit_status(chosen_sets)


if __name__ == "__main__":
    sys.exit(main())
