"""What is evaluated: series of known particles at chosen tilts and doses, each with its Cramér-Rao bound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, ConfigError, InputError, TiltSeries
from pann.core.elements import symbols
from pann.fitting.planning import Acquisition, plan_dose
from pann.metrics import surface_atoms
from pann.simulation import Sample, SimulationConfig, atom_kernels, series_psf
from pann.simulation.realism import NoiseFreeSeries
from pann.simulation.sample import draw_acquisition, simulate

FEWEST_TILTS = 3
FEW_TILTS, MANY_ATOMS = 21, 1000
"""Series of at most so many tilts or of more atoms than this are hard at high doses too."""
TILT_TOLERANCE = 1e-3
"""By which a tilt may exceed the limit and still count [deg]."""


@dataclass(frozen=True)
class Scheme:
    """Which tilts of a series are used.

    Attributes
    ----------
    every : every such one, in order of the tilt.
    limit : largest tilt [deg]; None takes all.
    """

    every: int = 1
    limit: float | None = None

    def select(self, series: TiltSeries) -> TiltSeries:
        """The chosen images of `series`, by ascending tilt; InputError where fewer than three are left."""
        if self.every < 1:
            raise InputError(f"every is {self.every}: expected 1 for all tilts, 2 for every other one, ...")
        theta = series.angles[:, 1]
        order = np.argsort(theta, kind="stable")
        if self.limit is not None:
            order = order[np.abs(theta[order]) <= self.limit + TILT_TOLERANCE]
        chosen = order[:: self.every]
        if len(chosen) < FEWEST_TILTS:
            raise InputError(
                f"{series.name}: {len(chosen)} of {series.n_tilts} tilts are left: lower every= or raise limit="
            )
        return series.replace(images=series.images[chosen], angles=series.angles[chosen])


@dataclass(frozen=True, eq=False)
class Target:
    """A particle and what is known of its images before the dose is chosen.

    Attributes
    ----------
    name : of the series.
    truth : the particle, about the rotation centre [Å].
    angles : (n_tilts, 3) [deg].
    acquisition : how its atoms appear in the images.
    """

    name: str
    truth: AtomicModel
    angles: NDArray[np.float64]
    acquisition: Acquisition

    @cached_property
    def surface(self) -> NDArray[np.bool_]:
        """Which atoms of the truth lie on its surface, (n_atoms,)."""
        return surface_atoms(self.truth.positions)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements of the truth."""
        return tuple(symbols(np.unique(self.truth.numbers)))

    @cached_property
    def unit_bound_pm(self) -> NDArray[np.float64]:
        """Cramér-Rao bound along x, y and z [pm] at 1 e/Å² per projection, (3,); it falls with the root of the dose."""
        return plan_dose(self.truth, self.angles, self.acquisition, [1.0]).axes_pm[0]

    @classmethod
    def of_series(cls, given: NoiseFreeSeries, scheme: Scheme) -> Self:
        """Target of a noise-free series; the brightness of its atoms is that of its images."""
        series, model = given.fractions, given.truth
        kernels = atom_kernels(given.microscope, np.unique(model.numbers).tolist())
        sections = {number: kernel.cross_section for number, kernel in kernels.items()}
        # what isolated atoms would scatter, and what was scattered: a potential that is coarse loses some
        expected = sum(sections[int(number)] for number in model.numbers)
        seen = float(series.images.sum(axis=(1, 2), dtype=float).mean()) * series.pixel_size**2
        tier = next((name for name in ("prism", "windowed") if name in series.metadata), None)
        facts = series.metadata if tier is None else series.metadata[tier]
        thermal = float(facts["thermal_sigma"])
        acquisition = Acquisition(
            {number: section * seen / expected for number, section in sections.items()},
            series_psf(model, series.pixel_size, given.microscope, thermal),
            series.pixel_size,
        )
        return cls(model.name, model, scheme.select(series).angles, acquisition)

    @classmethod
    def of_sample(cls, sample: Sample) -> Self:
        """Target of a simulated sample."""
        acquisition = Acquisition(sample.cross_sections, sample.psf, sample.series.pixel_size)
        return cls(sample.series.name, sample.truth, sample.series.angles, acquisition)


@dataclass(frozen=True, eq=False)
class Case:
    """One draw of counts.

    Attributes
    ----------
    target : what is imaged.
    series : its counts.
    scheme : which tilts they are.
    dose : [e/Å² per projection].
    seed : of the noise.
    """

    target: Target
    series: TiltSeries
    scheme: Scheme
    dose: float
    seed: int

    @property
    def bound_pm(self) -> NDArray[np.float64]:
        """Cramér-Rao bound along x, y and z at this dose [pm], (3,)."""
        return self.target.unit_bound_pm / np.sqrt(self.dose)

    @property
    def key(self) -> dict[str, str | float | int]:
        """What names the case in a table."""
        limit = 90.0 if self.scheme.limit is None else self.scheme.limit
        return {
            "series": self.target.name,
            "every": self.scheme.every,
            "limit_deg": limit,
            "dose": self.dose,
            "seed": self.seed,
        }


def series_files(folder: str | Path, names: Sequence[str]) -> list[Path]:
    """Files of the noise-free series `names` in `folder`; of all when none is named.

    Raises ConfigError for a folder without series and for names that it does not hold.
    """
    paths = {path.stem: path for path in sorted(Path(folder).glob("*.h5"))}
    if not paths:
        raise ConfigError(f"folder={folder} holds no series (.h5)")
    if unknown := [name for name in names if name not in paths]:
        raise ConfigError(f"series: there is no {', '.join(unknown)}: choose from {', '.join(paths)}")
    return [paths[name] for name in names or paths]


def realism_cases(
    path: Path, scheme: Scheme, doses: Sequence[float], high_doses: Sequence[float], seeds: Sequence[int]
) -> list[Case]:
    """Cases of the noise-free series at `path`. Schemes share the counts of the tilts that they share.

    Parameters
    ----------
    doses, seeds : every pair of them [e/Å² per projection].
    high_doses : further doses, where atoms are lost at these too: from few tilts, or of a large particle.
    """
    given = NoiseFreeSeries.read(path)
    target = Target.of_series(given, scheme)
    hard = len(target.angles) <= FEW_TILTS or len(target.truth) > MANY_ATOMS
    return [
        Case(target, scheme.select(given.counts(dose, seed)), scheme, dose, seed)
        for dose in (*doses, *(high_doses if hard else ()))
        for seed in seeds
    ]


def simulated_cases(config: SimulationConfig, seed: int, count: int, doses: Sequence[float]) -> list[Case]:
    """Cases of `count` random particles, each at all `doses` [e/Å² per projection] instead of its own."""
    cases = []
    for index in range(count):
        drawn = draw_acquisition(config, seed, index)
        samples = [simulate(replace(drawn, dose=dose)) for dose in doses]
        target = Target.of_sample(samples[0])
        cases += [
            Case(target, sample.series, Scheme(), dose, seed) for sample, dose in zip(samples, doses, strict=True)
        ]
    return cases
