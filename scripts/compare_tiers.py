"""Compare the tiers of the microscope on Pt-Ni particles and write docs/simulation_tiers.md.

Frozen phonons are shared between the tiers and nothing is fitted, so the figures test whether images are sums of the
images of atoms. Results are kept in the cache folder for the next run. All of it takes some ten minutes of one core.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from ase.cluster import Octahedron

from pann.core.atomic_model import AtomicModel
from pann.core.files import atomic_path
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.report.markdown import markdown_table
from pann.simulation.imaging.box import plan_box
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.tiers import TIERS
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.waves import blur_and_bin
from pann.simulation.microscope import Microscope

ROOT = Path(__file__).resolve().parents[1]
MICROSCOPE = Microscope(energy=300e3, semiangle=25, inner=40, outer=95, source_sigma=0.30)
PIXEL, SEED, THERMAL = 0.4, 1, {78: 0.065, 28: 0.070}
RIM, POINTS = 3, 40
"""Rim of a scanned patch in pixels, which the blur of its edges spoils; number of random probe positions."""
LINEAR = {"linear": LinearTier(thermal_sigma=0.0), "linear, focus": LinearTier(thermal_sigma=0.0, depth_of_focus=True)}
WAVES = {name: TIERS[name](thermal_sigma=0.0) for name in ("prism", "windowed", "multislice")}
VIEWS = {"random": (31.0, 47.0, -22.0), "[001]": (0.0, 0.0, 0.0)}


@dataclass(frozen=True)
class Case:
    """A truncated octahedron in one orientation, `n_images` times as a whole by PRISM: once a phonon configuration."""

    shells: int
    view: str
    n_pixels: int
    n_images: int

    @cached_property
    def model(self) -> AtomicModel:
        """Random Pt-Ni alloy, fcc with a = 3.78 Å."""
        cluster = Octahedron("Pt", length=3 * self.shells + 1, cutoff=self.shells, latticeconstant=3.78)
        numbers = generator(SEED, "alloy", self.shells).choice([28, 78], size=len(cluster))
        return AtomicModel(cluster.positions - cluster.positions.mean(axis=0), numbers, name=self.label)

    @cached_property
    def views(self) -> Views:
        """The same view once for each phonon configuration, whose displacements all tiers share."""
        sigmas = np.array([THERMAL[int(z)] for z in self.model.numbers])[:, None]
        seeds = [generator(SEED, "phonons", self.shells, k) for k in range(self.n_images)]
        moves = [sigmas * seed.normal(size=(len(self.model), 3)) for seed in seeds]
        return Views([VIEWS[self.view]] * self.n_images, (self.n_pixels, self.n_pixels), PIXEL, displacements=moves)

    @cached_property
    def n_scanned(self) -> int:
        """Scan points of a whole image."""
        scan = plan_box(self.model, self.views, MICROSCOPE, sampling=WAVES["prism"].sampling, scan_step=None).scan
        return scan[0] * scan[1]

    @property
    def label(self) -> str:
        """Size [nm] and view."""
        return f"{(self.shells + 0.4) * 0.75:.1f} nm, {self.view}"


CASES = (Case(3, "random", 84, 3), Case(3, "[001]", 84, 3), Case(5, "random", 120, 1), Case(5, "[001]", 120, 1))
HEADER = ("particle, view", "compared", "tier", "reference", "correlation", "R", "total")
RATES_HEADER = ("tier", "one image", "41 tilts", "images an hour, 2 cores", "from")
PATCHES = {3: {"windowed": 18, "multislice": 12}, 5: {"windowed": 18}}
"""Edges in pixels of the patches that each tier scans, by size of particle; the last is the reference."""


class Store:
    """Results by name, computed once, with the processor time that they took."""

    def __init__(self, folder: Path) -> None:
        tiers = {name: repr(tier) for name, tier in WAVES.items()}
        facts = [MICROSCOPE.to_dict(), MICROSCOPE.scan_step, PIXEL, SEED, THERMAL, VIEWS, tiers]
        self.folder = folder / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]

    def get(self, name: str, compute: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
        """The result `name` and its processor time [s]."""
        path = self.folder / f"{name.replace(' ', '_')}.npz"
        if not path.is_file():
            start = time.process_time()
            values = compute()
            with atomic_path(path) as temporary:
                np.savez(temporary, values=values, seconds=time.process_time() - start)
        with np.load(path) as found:
            return found["values"], float(found["seconds"])


def patch_points(edge: int) -> np.ndarray:
    """Fine scan (m, 2) [Å] of a patch of `edge` pixels about the rotation centre: two points a pixel along an axis."""
    axis = (np.arange(2 * edge) - edge) * PIXEL / 2 - PIXEL / 4
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def patch_image(values: np.ndarray) -> np.ndarray:
    """The pixels of a scanned patch that the blur of its edges does not reach."""
    n = round(len(values) ** 0.5)
    return blur_and_bin(values.reshape(n, n), PIXEL, 2, MICROSCOPE.source_sigma)[RIM:-RIM, RIM:-RIM]


def middle(image: np.ndarray, n: int) -> np.ndarray:
    """The `n` x `n` pixels about the rotation centre."""
    first = len(image) // 2 - n // 2
    return image[first : first + n, first : first + n]


def agreement(image: np.ndarray, reference: np.ndarray) -> tuple[str, str, str]:
    """Correlation, R = Σ|image - reference| / Σ reference, and the ratio of the sums."""
    correlation = np.corrcoef(image.ravel(), reference.ravel())[0, 1]
    r = np.abs(image - reference).sum() / reference.sum()
    return f"{correlation:.4f}", f"{100 * r:.1f} %", f"{image.sum() / reference.sum():.3f}"


class Comparison:
    """All comparisons of the table, and the processor time of every result by tier and particle."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.spent: dict[tuple[str, int], list[tuple[float, int]]] = {}

    def _get(self, case: Case, tier: str, kind: str, compute: Callable[[], np.ndarray], n_points: int) -> np.ndarray:
        values, seconds = self.store.get(f"{case.label} {kind} {tier}", compute)
        self.spent.setdefault((tier, case.shells), []).append((seconds, n_points))
        return values

    def scanned(self, case: Case, tier: str, kind: str, points: np.ndarray) -> np.ndarray:
        """Fractions at `points` of the first configuration."""
        compute = partial(WAVES[tier].at, case.model, case.views, 0, MICROSCOPE, points)
        return self._get(case, tier, kind, compute, len(points))

    def image(self, case: Case, tier: str, k: int) -> np.ndarray:
        """Whole image of configuration `k`."""
        compute = partial(WAVES[tier].fraction, case.model, case.views, k, MICROSCOPE)
        return self._get(case, tier, f"image {k}", compute, case.n_scanned)

    def rows(self, case: Case) -> list[tuple[str, ...]]:
        """Rows of the table for one particle and view."""
        linear = {name: tier.fractions(case.model, case.views, MICROSCOPE) for name, tier in LINEAR.items()}
        first = {name: images[0] for name, images in linear.items()}
        rows = []
        prism = [self.image(case, "prism", k) for k in range(case.n_images)]
        first["prism"] = prism[0]
        for name, images in linear.items():
            what = f"image, {case.n_images} configuration{'s' * (case.n_images > 1)}"
            rows.append((case.label, what, name, "prism", *agreement(images.mean(0), np.mean(prism, axis=0))))
        if case.shells == min(PATCHES):
            whole = self.image(case, "windowed", 0)
            rows.append((case.label, "image, 1 configuration", "prism", "windowed", *agreement(prism[0], whole)))
        points = generator(SEED, "points").uniform(-8, 8, size=(POINTS, 2))
        pair = [self.scanned(case, tier, "points", points) for tier in ("windowed", "multislice")]
        rows.append((case.label, f"{POINTS} points, no blur", "windowed", "multislice", *agreement(*pair)))
        for tier, edge in PATCHES[case.shells].items():
            reference = patch_image(self.scanned(case, tier, f"patch {edge}", patch_points(edge)))
            for name, image in first.items():
                what = f"{len(reference)} x {len(reference)} pixels"
                rows.append((case.label, what, name, tier, *agreement(middle(image, len(reference)), reference)))
            first[tier] = reference
        return rows


def rates(spent: dict[tuple[str, int], list[tuple[float, int]]]) -> list[tuple[str, ...]]:
    """Rows: processor time of one image and of 41 of the 2.5 nm particle, and images an hour on 2 cores."""
    case, n_tilts = CASES[0], 41
    series = Views(np.linspace(-70, 70, n_tilts), (case.n_pixels, case.n_pixels), PIXEL)
    measured = []
    for name, tier in LINEAR.items():
        times = []
        for _ in range(10):
            start = time.process_time()
            tier.fractions(case.model, series, MICROSCOPE)
            times.append((time.process_time() - start) / n_tilts)
        measured.append((name, float(np.median(times[1:])), "41 tilts at once"))
    for name in ("prism", "windowed", "multislice"):
        whole = [seconds for seconds, n_points in spent[name, case.shells] if n_points == case.n_scanned]
        if whole:
            measured.append((name, min(whole), "one image"))
            continue
        seconds, n_points = min(spent[name, case.shells], key=lambda entry: entry[0] / entry[1])
        measured.append((name, seconds * case.n_scanned / n_points, f"{n_points} of {case.n_scanned} scan points"))
    return [(name, f"{short(s)} s", f"{short(n_tilts * s)} s", short(7200 / s), how) for name, s, how in measured]


def short(value: float) -> str:
    """Two significant digits."""
    return f"{float(f'{value:.2g}'):,.10g}"


def page(store: Store) -> str:
    """The whole page."""
    comparison, rows, m = Comparison(store), [], MICROSCOPE
    with progress_bar("particles and views", len(CASES)) as bar:
        for case in CASES:
            rows += comparison.rows(case)
            bar.advance()
    return TEXT.format(
        probe=f"{m.energy / 1e3:.0f} kV, {m.semiangle:g} mrad",
        detector=f"{m.inner:g}-{m.outer:g} mrad, source {m.source_sigma} Å",
        pixel=PIXEL,
        agreement=markdown_table(HEADER, rows),
        atoms=len(CASES[0].model),
        pixels=f"{CASES[0].n_pixels} x {CASES[0].n_pixels}",
        rates=markdown_table(RATES_HEADER, rates(comparison.spent)),
    )


TEXT = """# Tiers of the microscope

Printed by `python scripts/compare_tiers.py`. Pt-Ni truncated octahedra (random alloy, fcc, a = 3.78 Å), {probe},
detector {detector}, {pixel} Å pixels, thermal displacements of 0.065 Å (Pt) and 0.070 Å (Ni) along each axis. All
tiers see the same displaced atoms and nothing is fitted. R = Σ|I - I_ref| / Σ I_ref; "total" is Σ I / Σ I_ref;
"linear, focus" has `depth_of_focus=True`. Windows are at least 8 Å wide in prism and 10 Å in windowed; waves are
sampled at 0.066 Å, in slices of 2 Å.

{agreement}

The linear tier is the sum of the images of isolated atoms: it misses channelling along the columns of a zone axis, and
electrons that scatter more than once, the more the thicker the crystal. How cross-sections grow with the atomic number
is in `cross_sections.md`.

## Rates

Processor time of one core for an image of the 2.5 nm particle ({atoms} atoms, {pixels} pixels, one phonon
configuration, the scan as coarse as the source allows), and images an hour on two cores.

{rates}

"""


def main() -> None:
    """Parse the arguments, compute what the cache lacks, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "simulation_tiers.md")
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="print the rows of one alone, no page")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache" / "compare_tiers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store(options.cache)
    if options.case is not None:
        print(markdown_table(HEADER, Comparison(store).rows(CASES[options.case])) + "\n")
    else:
        with atomic_path(options.output) as temporary:
            temporary.write_text(page(store))
        print(options.output.read_text())


if __name__ == "__main__":
    main()
