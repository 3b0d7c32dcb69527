"""Make the images of the realism test set: the particles in data/test_series by frozen-phonon PRISM, without noise.

python scripts/make_test_series.py [--only NAME ...] [--folder data/test_series] [--cache data/cache/test_series]
python scripts/make_test_series.py --models FOLDER --folder out/published [--tier windowed --device cuda]

With --models the particles are cut from published atomic models in that folder (`PUBLISHED` names the files). Windowed
multislice is faster than PRISM, on a CPU too; they differ by R = 0.1 to 3 % (docs/simulation_tiers.md).

Networks are tested on these series and never trained on them. A projection takes 15 to 100 s on one core, the whole
set some two and a half hours. Images are kept one by one in the cache folder, so an interrupted run continues where it
stopped; a series is written when its last image is there, and one that is there already is left alone.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pann.core import AtomicModel, TiltSeries
from pann.io import read_atoms, write_atoms, write_tilt_series
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.resumable import resumable_fractions
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.waves import WaveTier
from pann.simulation.imaging.windowed import WindowedTier
from pann.simulation.microscope import Microscope
from pann.simulation.structures.disorder import keep_apart
from pann.simulation.tilts import evenly_spaced
from pann.training.words import exit_status

ROOT = Path(__file__).resolve().parents[1]
SEED = 2611
MARGIN = 3.0
"""Free space around the particle in every image [Å]."""
THERMAL_SIGMA = 0.07
"""Root mean square displacement of every atom along one axis [Å]; one configuration for each image."""
WIDE = Microscope(300e3, 25, 40, 95, source_sigma=0.30)
HIGH_ANGLE = Microscope(300e3, 25, 50, 95, source_sigma=0.35)
LOW_VOLTAGE = Microscope(200e3, 25, 40, 118, source_sigma=0.30)
SMALL_PROBE_ANGLE = Microscope(300e3, 20, 40, 95, source_sigma=0.28)


@dataclass(frozen=True)
class Entry:
    """One series: the tilts from -limit to limit [deg], the pixel [Å], the microscope."""

    limit: float
    n_tilts: int
    pixel_size: float
    microscope: Microscope = WIDE


ENTRIES = {
    "aupd_decahedron": Entry(65, 27, 0.41),
    "fept_l10": Entry(70, 21, 0.36, HIGH_ANGLE),
    "cdse_dot": Entry(60, 21, 0.44, LOW_VOLTAGE),
    "cspbbr3_cube": Entry(65, 17, 0.41),
    "zrcual_glass": Entry(90, 20, 0.40, SMALL_PROBE_ANGLE),
    "si_amorphous": Entry(75, 21, 0.41),
    "nipdpt_bicrystal": Entry(65, 21, 0.41),
    "pbs_dot": Entry(50, 17, 0.38),
    "copdpt_large": Entry(65, 21, 0.41),
    "feni_octahedron": Entry(65, 21, 0.41),
}


@dataclass(frozen=True)
class Cut:
    """The `n_atoms` atoms of the model in `file` nearest to a point on the x axis, `beyond` times its radius out."""

    file: str
    n_atoms: int
    beyond: float
    entry: Entry = Entry(65, 21, 0.41)


PUBLISHED = {
    "nipdpt_mea1": Cut("mhea_MEA1.xyz", 280, 0.6),
    "pdpt_coreshell": Cut("pdpt_coreshell_EPB.xyz", 280, 0.5),  # core and shell
    "sigesn_glass": Cut("gt_aSiGeSn.xyz", 220, 0.8),
    "metallic_glass": Cut("metallic_glass.xyz.gz", 3000, 0.4, Entry(72, 55, 0.347)),
}
"""Pieces of published models, as small as PRISM can afford but the last, which is for the windowed tier (two hours of a
core); the surface of each is partly the cut's."""


def cut_truth(name: str, models: Path) -> AtomicModel:
    """The piece `name` of its published model, about its own centre of mass [Å], without pairs below 1.5 Å."""
    cut = PUBLISHED[name]
    model = read_atoms(models / cut.file)
    model = model.select(np.flatnonzero(keep_apart(model.positions)))
    reach = np.linalg.norm(model.positions, axis=1)
    centre = np.array([cut.beyond * np.percentile(reach, 99), 0.0, 0.0])
    nearest = np.argsort(np.linalg.norm(model.positions - centre, axis=1), kind="stable")[: cut.n_atoms]
    piece = model.select(nearest)
    return piece.replace(positions=piece.positions - piece.positions.mean(0), name=name)


def views_of(entry: Entry, model: AtomicModel) -> Views:
    """Every tilt, in images just wide enough."""
    edge = 2 * int(np.ceil((np.linalg.norm(model.positions, axis=1).max() + MARGIN) / entry.pixel_size))
    return Views(evenly_spaced(entry.limit, entry.n_tilts), (edge, edge), entry.pixel_size)


def image_folder(base: Path, model: AtomicModel, views: Views, facts: dict) -> Path:
    """Folder of the images of one series, named by everything that they depend on."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for array in (np.round(model.positions, 5), model.numbers, views.angles, np.array(views.extent)):
        digest.update(array.tobytes())
    return base / f"{model.name}-{digest.hexdigest()[:12]}"


def tier_of(kind: str, device: str, microscope: Microscope) -> tuple[WaveTier, str, Mapping[str, object]]:
    """The tier `kind`, what the metadata call it, and the options of it that images depend on."""
    sampling = microscope.sampling_limit
    if kind == "prism":
        prism = PrismTier(sampling=sampling, thermal_sigma=THERMAL_SIGMA, potential="abtem", device=device)
        return prism, "PRISM (abTEM)", asdict(prism)
    batch = 16 if device == "cpu" else 1024
    windowed = WindowedTier(sampling=sampling, thermal_sigma=THERMAL_SIGMA, device=device, batch=batch)
    speed = {"device", "batch"}
    return windowed, "windowed multislice", {k: v for k, v in asdict(windowed).items() if k not in speed}


def write_series(name: str, folder: Path, cache: Path, kind: str, device: str) -> None:
    """Compute what is missing of series `name` and write it."""
    entry = ENTRIES[name] if name in ENTRIES else PUBLISHED[name].entry
    model = read_atoms(folder / f"{name}_truth.xyz").replace(name=name)
    views = views_of(entry, model)
    tier, method, parameters = tier_of(kind, device, entry.microscope)
    facts = {"microscope": entry.microscope.to_dict(), kind: parameters, "seed": SEED}
    images = image_folder(cache, model, views, facts)
    fractions = resumable_fractions(tier, model, views, entry.microscope, images, seed=SEED, progress=True)
    metadata = {
        "quantity": "expected fraction of the incident electrons on the detector, per pixel; no noise",
        "simulation": f"frozen-phonon {method}, one configuration per image",
    }
    series = TiltSeries(
        fractions, views.angles, views.pixel_size, kind="intensity", name=name, metadata=metadata | facts
    )
    write_tilt_series(folder / f"{name}.h5", series)
    print(f"{name}: {len(model)} atoms {model.composition()}, {fractions.shape}, mean fraction {fractions.mean():.5f}")


def main() -> int:
    """Parse the command line and write the series that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*ENTRIES, *PUBLISHED], default=[])
    parser.add_argument("--models", type=Path, help="folder of published models to cut particles from")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "test_series")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache" / "test_series")
    parser.add_argument("--tier", choices=["prism", "windowed"], default="prism")
    parser.add_argument("--device", default="cpu", help="of the windowed tier: cpu or cuda")
    arguments = parser.parse_args()
    every = list(ENTRIES if arguments.models is None else PUBLISHED)

    def write() -> None:
        for name in arguments.only or every:
            if arguments.models is not None and name in PUBLISHED:
                write_atoms(arguments.folder / f"{name}_truth.xyz", cut_truth(name, arguments.models))
            if not (arguments.folder / f"{name}.h5").is_file():
                write_series(name, arguments.folder, arguments.cache, arguments.tier, arguments.device)

    return exit_status(write)


if __name__ == "__main__":
    sys.exit(main())
