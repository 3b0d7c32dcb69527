"""Compare the tiers of the microscope on Pt-Ni particles and write docs/simulation_tiers.md.

Frozen phonons are shared between the tiers and nothing is fitted, so the figures test whether images are sums of the
images of atoms. Every image is kept in the cache folder: an interrupted run continues where it stopped. All of it takes
some 20 minutes on one core.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import log
from pathlib import Path

import numpy as np
import torch
from ase.cluster import Octahedron

from pann.core.atomic_model import AtomicModel
from pann.core.files import atomic_path
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.simulation.imaging.kernels import isolated_atom
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.multislice import MultisliceTier
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.waves import blur_and_bin
from pann.simulation.imaging.windowed import WindowedTier
from pann.simulation.microscope import Microscope

ROOT = Path(__file__).resolve().parents[1]
MICROSCOPE = Microscope(energy=300e3, semiangle=25, inner=40, outer=95, source_sigma=0.30)
PIXEL, SEED, THERMAL = 0.4, 1, {78: 0.065, 28: 0.070}
PATCH, RIM = 18, 3
"""Edge of the patch in the middle of the image, and of its rim that the blur spoils, in pixels."""
POINTS = 40
TIERS = {
    "linear": LinearTier(thermal_sigma=0.0),
    "prism": PrismTier(thermal_sigma=0.0),
    "windowed": WindowedTier(thermal_sigma=0.0),
    "multislice": MultisliceTier(thermal_sigma=0.0),
}
VIEWS = {"random": (31.0, 47.0, -22.0), "[001]": (0.0, 0.0, 0.0)}
EXPONENT_RANGES = ((40, 198), (50, 198), (60, 198), (80, 198))


@dataclass(frozen=True)
class Case:
    """A truncated octahedron with `shells` atoms along its short edges, less one, in one orientation."""

    shells: int
    view: str
    n_pixels: int
    n_phonons: int

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
        moves = [
            sigmas * generator(SEED, "phonons", self.shells, k).normal(size=(len(self.model), 3))
            for k in range(self.n_phonons)
        ]
        angles = [VIEWS[self.view]] * self.n_phonons
        return Views(angles, (self.n_pixels, self.n_pixels), PIXEL, displacements=moves)

    @property
    def label(self) -> str:
        """Size [nm] and view."""
        return f"{(self.shells + 0.4) * 0.75:.1f} nm, {self.view}"


CASES = (Case(3, "random", 84, 3), Case(3, "[001]", 84, 3), Case(5, "random", 120, 1), Case(5, "[001]", 120, 1))


class Store:
    """Results by name, computed once, with the processor time that they took."""

    def __init__(self, folder: Path) -> None:
        tiers = {name: repr(tier) for name, tier in TIERS.items() if name != "linear"}
        facts = [
            MICROSCOPE.to_dict(),
            PIXEL,
            SEED,
            THERMAL,
            PATCH,
            POINTS,
            VIEWS,
            tiers,
            [repr(case) for case in CASES],
        ]
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


def patch_points() -> np.ndarray:
    """Fine scan (m, 2) [Å] of the patch about the rotation centre: two points per pixel along each axis."""
    axis = (np.arange(2 * PATCH) - PATCH) * PIXEL / 2 - PIXEL / 4
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def random_points() -> np.ndarray:
    """Probe positions (m, 2) [Å] in the thick part of the particle."""
    return generator(SEED, "points").uniform(-8, 8, size=(POINTS, 2))


def patch_image(values: np.ndarray) -> np.ndarray:
    """The pixels of a scanned patch that the blur of its edges does not reach."""
    fine = values.reshape(2 * PATCH, 2 * PATCH)
    return blur_and_bin(fine, PIXEL, 2, MICROSCOPE.source_sigma)[RIM:-RIM, RIM:-RIM]


def same_pixels(image: np.ndarray) -> np.ndarray:
    """The pixels of `patch_image` in a whole image."""
    first = image.shape[0] // 2 - PATCH // 2 + RIM
    return image[first : first + PATCH - 2 * RIM, first : first + PATCH - 2 * RIM]


def agreement(image: np.ndarray, reference: np.ndarray) -> tuple[str, str, str]:
    """Correlation, R = Σ|image - reference| / Σ reference, and the ratio of the sums."""
    r = np.abs(image - reference).sum() / reference.sum()
    return (
        f"{np.corrcoef(image.ravel(), reference.ravel())[0, 1]:.4f}",
        f"{100 * r:.1f} %",
        f"{image.sum() / reference.sum():.3f}",
    )


def compare(store: Store) -> tuple[list[tuple[str, ...]], dict[str, list[tuple[str, float, int]]]]:
    """Rows of the table of agreement, and for each tier (particle, processor seconds, scan points)."""
    rows: list[tuple[str, ...]] = []
    spent: dict[str, list[tuple[str, float, int]]] = {name: [] for name in TIERS}
    total = sum(case.n_phonons for case in CASES) + 2 * len(CASES)
    with progress_bar("images", total) as bar:

        def at(case: Case, tier: str, kind: str, points: np.ndarray) -> np.ndarray:
            values, seconds = store.get(
                f"{case.label} {kind} {tier}", lambda: TIERS[tier].at(case.model, case.views, 0, MICROSCOPE, points)
            )
            spent[tier].append((case.label, seconds, len(points)))
            return values

        for case in CASES:
            prism = []
            for k in range(case.n_phonons):
                image, seconds = store.get(
                    f"{case.label} prism {k}",
                    lambda case=case, k=k: TIERS["prism"].fraction(case.model, case.views, k, MICROSCOPE),
                )
                prism.append(image)
                spent["prism"].append((case.label, seconds, image.size * 4))
                bar.advance(status=case.label)
            linear = TIERS["linear"].fractions(case.model, case.views, MICROSCOPE)
            configurations = f"image, {case.n_phonons} configuration{'s' * (case.n_phonons > 1)}"
            rows.append((case.label, configurations, "linear", "PRISM", *agreement(linear.mean(0), np.mean(prism, 0))))
            windowed = patch_image(at(case, "windowed", "patch", patch_points()))
            bar.advance(status=case.label)
            reference, name = windowed, "windowed 10 Å"
            if case.shells == CASES[0].shells:
                reference, name = patch_image(at(case, "multislice", "patch", patch_points())), "multislice"
                rows.append(
                    (case.label, "patch, 1 configuration", "windowed 10 Å", name, *agreement(windowed, reference))
                )
            else:
                pairs = [at(case, tier, "points", random_points()) for tier in ("windowed", "multislice")]
                rows.append(
                    (case.label, f"{POINTS} points, no blur", "windowed 10 Å", "multislice", *agreement(*pairs))
                )
            for tier, whole in (("PRISM", prism[0]), ("linear", linear[0])):
                rows.append(
                    (case.label, "patch, 1 configuration", tier, name, *agreement(same_pixels(whole), reference))
                )
            bar.advance(status=case.label)
    return rows, spent


def rates(spent: dict[str, list[tuple[str, float, int]]]) -> list[tuple[str, ...]]:
    """Rows of the table of rates: processor time of one image of the 2.5 nm particle, and images an hour on 2 cores."""
    case = CASES[0]
    angles = np.linspace(-70, 70, 41)
    series = Views(angles, (case.n_pixels, case.n_pixels), PIXEL)
    rows = []
    for label, tier in (("linear", LinearTier()), ("linear, depth of focus", LinearTier(depth_of_focus=True))):
        tier.fractions(case.model, series, MICROSCOPE)
        times = []
        for _ in range(9):
            start = time.process_time()
            tier.fractions(case.model, series, MICROSCOPE)
            times.append((time.process_time() - start) / len(angles))
        rows.append(rate(label, float(np.median(times)), "measured, 41 tilts at once"))
    for name in ("prism", "windowed", "multislice"):
        seconds, n_points = max(
            (entry[1:] for entry in spent[name] if entry[0] == case.label), key=lambda entry: entry[1]
        )
        whole = (2 * case.n_pixels) ** 2
        source = "measured" if n_points == whole else f"from {n_points} of {whole} scan points"
        rows.append(rate(name, seconds * whole / n_points, source))
    return rows


def rate(name: str, seconds: float, source: str) -> tuple[str, ...]:
    """One row."""
    return (
        name,
        f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s",
        f"{41 * seconds:.3g} s",
        f"{2 * 3600 / seconds:.3g}",
        source,
    )


def exponents() -> list[tuple[str, ...]]:
    """Rows of detector range and the exponent n in cross-section ~ Zⁿ between Ni and Pt, and between C and Pt."""
    rows = []
    for energy in (300e3, 200e3):
        for inner, outer in EXPONENT_RANGES:
            microscope = Microscope(energy=energy, inner=inner, outer=outer)
            area = {z: isolated_atom(z, microscope).cross_section() for z in (6, 28, 78)}
            powers = [log(area[78] / area[z]) / log(78 / z) for z in (28, 6)]
            rows.append(
                (f"{energy / 1e3:.0f} kV", f"{inner}-{outer} mrad", *(f"{p:.2f}" for p in powers), f"{area[78]:.4f}")
            )
    return rows


def markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ("---",) * len(header), *rows]) + "\n"


TEXT = """# Tiers of the microscope

Printed by `python scripts/compare_tiers.py`. Pt-Ni truncated octahedra (random alloy, fcc, a = 3.78 Å), {microscope},
{pixel} Å pixels, thermal displacements of 0.065 Å (Pt) and 0.070 Å (Ni) along each axis. All tiers see the same displaced
atoms and nothing is fitted. R = Σ|I - I_ref| / Σ I_ref over all pixels; "total" is Σ I / Σ I_ref.

{agreement}
A patch is {patch} pixels in the middle of the image. The linear tier is the sum of the images of isolated atoms: it misses
what channelling along the columns of a zone axis does to the contrast, the more the thicker the crystal.

## Rates

Processor time of one core for one image of the 2.5 nm particle ({atoms} atoms, {pixels} pixels, one phonon
configuration), and images an hour on two cores.

{rates}
## Exponents

Cross-section of an isolated atom ~ Zⁿ, semi-angle of the probe 25 mrad.

{exponents}"""


def page(store: Store) -> str:
    """The whole page."""
    rows, spent = compare(store)
    case = CASES[0]
    m = MICROSCOPE
    return TEXT.format(
        microscope=f"{m.energy / 1e3:.0f} kV, {m.semiangle:g} mrad, detector {m.inner:g}-{m.outer:g} mrad, source {m.source_sigma} Å",
        pixel=PIXEL,
        agreement=markdown(("particle, view", "compared", "tier", "reference", "correlation", "R", "total"), rows),
        patch=f"{PATCH - 2 * RIM} x {PATCH - 2 * RIM}",
        atoms=len(case.model),
        pixels=f"{case.n_pixels} x {case.n_pixels}",
        rates=markdown(("tier", "one image", "41 tilts", "images an hour, 2 cores", "how"), rates(spent)),
        exponents=markdown(("energy", "detector", "Pt/Ni", "Pt/C", "Pt [Å²]"), exponents()),
    )


def main() -> None:
    """Parse the arguments, compute what the cache lacks, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "simulation_tiers.md")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache" / "compare_tiers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = page(Store(options.cache))
    print(text)
    with atomic_path(options.output) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
