"""Make the demo series in data/demo: a Pt-Ni nanoparticle imaged by frozen-phonon PRISM.

The noise-free images take about half an hour on one core. They are kept one by one in the cache folder, so an
interrupted run continues where it stopped, and another dose costs seconds.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.core.files import atomic_path, require_writable
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.core.tilt_series import TiltSeries
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope
from pann.simulation.structures.alloys import by_order
from pann.simulation.structures.disorder import displaced, keep_after_roughening, keep_apart
from pann.simulation.structures.lattices import crystal_sites
from pann.simulation.structures.orientation import angle_to_zone_axis, off_zone_axes
from pann.simulation.structures.shapes import random_shape

ROOT = Path(__file__).resolve().parents[1]
ANGLES = np.arange(-65.0, 65.1, 5.0)
MICROSCOPE = Microscope(energy=300e3, semiangle=25, inner=40, outer=95, source_sigma=0.30)
TIER = PrismTier(thermal_sigma={78: 0.065, 28: 0.070}, potential="abtem")
IMAGE_SHAPE = (90, 90)
PIXEL_SIZE = 0.4
NEIGHBOUR_DISTANCE = 2.65
"""Between atoms of the alloy [Å]; 2.77 in Pt, 2.49 in Ni."""


def demo_particle(n_atoms: int, seed: int) -> AtomicModel:
    """A rough fcc particle of `n_atoms` before roughening: Ni gathers in the core, Pt at the surface."""
    rng = generator(seed, "demo")
    rotation = off_zone_axes(ANGLES, rng)
    positions, _ = crystal_sites("fcc", NEIGHBOUR_DISTANCE, 25.0, rotation, origin=rng.random(3))
    level = random_shape("rough", rng)(positions)
    positions = positions[np.argsort(level, kind="stable")[:n_atoms]]
    positions = positions[keep_after_roughening(positions, 1.2 * NEIGHBOUR_DISTANCE, 0.12, rng)]
    positions = displaced(positions - positions.mean(axis=0), 0.05, rng)
    positions = positions[keep_apart(positions)]
    numbers = by_order(np.linalg.norm(positions, axis=1), (28, 78), (0.45, 0.55), 4.0, rng)
    nearest = float(angle_to_zone_axis(rotation, ANGLES).min())
    return AtomicModel(positions, numbers, name="PtNi demo", metadata={"nearest_zone_axis_deg": round(nearest, 2)})


def cache_folder(base: Path, model: AtomicModel, seed: int) -> Path:
    """Folder of the noise-free images, named by everything that they depend on."""
    settings = MICROSCOPE.to_dict() | {
        "options": repr(TIER),
        "shape": IMAGE_SHAPE,
        "pixel": PIXEL_SIZE,
        "seed": seed,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(np.round(model.positions, 6).tobytes() + model.numbers.tobytes() + ANGLES.tobytes())
    return base / digest.hexdigest()[:12]


def expected_fractions(model: AtomicModel, folder: Path, seed: int) -> np.ndarray:
    """Noise-free images (n_tilts, nx, ny), computed where the cache does not hold them."""
    require_writable(folder)
    # Every second tilt first, from the middle outwards: an unfinished cache is then a coarser series.
    order = sorted(range(len(ANGLES)), key=lambda k: (ANGLES[k] % 10 != 0, abs(ANGLES[k])))
    views = Views(ANGLES, IMAGE_SHAPE, PIXEL_SIZE)
    with progress_bar("PRISM", len(order)) as bar:
        for k in order:
            path = folder / f"expected_{k:02d}.npy"
            if not path.is_file():
                image = TIER.fraction(model, views, k, MICROSCOPE, seed=seed)
                with atomic_path(path) as temporary:
                    np.save(temporary, image)
            bar.advance(status=f"theta {ANGLES[k]:.0f}°")
    return np.stack([np.load(folder / f"expected_{k:02d}.npy") for k in range(len(ANGLES))])


def main() -> None:
    """Parse the arguments and write the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dose", type=float, default=500.0, help="dose per projection [e/Å²] (default 500)")
    parser.add_argument("--atoms", type=int, default=680, help="atoms before the surface is roughened (default 680)")
    parser.add_argument("--seed", type=int, default=20, help="of the structure, the phonons and the noise")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "demo", help="folder to write (data/demo)")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache" / "demo", help="of the noise-free images")
    options = parser.parse_args()
    if options.dose <= 0:
        parser.error("--dose must be positive [e/Å²]")
    model = demo_particle(options.atoms, options.seed)
    print(f"{len(model)} atoms {model.composition()}, {model.metadata}")
    try:
        fractions = expected_fractions(model, cache_folder(options.cache, model, options.seed), options.seed)
        write_demo(fractions, model, options.dose, options.seed, options.output)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")


def write_demo(fractions: np.ndarray, model: AtomicModel, dose: float, seed: int, folder: Path) -> None:
    """Draw the counts and write `series.h5` and `truth.xyz` into `folder`."""
    from pann.io import write_atoms, write_tilt_series

    counts = generator(seed, "demo counts", round(dose * 1000)).poisson(fractions * dose * PIXEL_SIZE**2)
    series = TiltSeries(
        counts,
        ANGLES,
        PIXEL_SIZE,
        kind="counts",
        dose=dose,
        name="demo",
        metadata={"simulation": "frozen-phonon PRISM (abTEM)", "seed": seed} | MICROSCOPE.to_dict(),
    )
    write_tilt_series(folder / "series.h5", series)
    write_atoms(folder / "truth.xyz", model)
    print(f"wrote {folder / 'series.h5'} and truth.xyz: mean {counts.mean():.3f} counts per pixel at {dose:g} e/Å²")


if __name__ == "__main__":
    main()
