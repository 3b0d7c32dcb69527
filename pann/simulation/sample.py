"""Random simulated series: what the networks train on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import ceil
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.elements import atomic_number
from pann.core.errors import ConfigError
from pann.core.psf import PointSpread
from pann.core.random import generator
from pann.core.tilt_series import TiltSeries
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import series_psf, simulate_linear
from pann.simulation.imaging.prism import PrismOptions, simulate_prism
from pann.simulation.microscope import Microscope
from pann.simulation.noise import image_shifts, jittered_angles, record
from pann.simulation.structures import FAMILIES, Disorder, random_particle
from pann.simulation.tilts import evenly_spaced

Tier = Literal["linear", "prism"]
"""How images are computed."""

Range = tuple[float, float]
"""(lowest, highest) value of a quantity that is drawn at random."""


@dataclass(frozen=True)
class SampleConfig:
    """What random series look like; every range is (lowest, highest). Defaults are in ``conf/simulation``.

    Attributes
    ----------
    families : relative frequency of each kind of particle (`pann.simulation.structures.FAMILIES`).
    elements : symbols to draw alloys from.
    max_elements : most elements of an alloy, 1 to 4.
    n_atoms : before defects.
    vacancies, roughness, strain, displacement : limits of disorder (`pann.simulation.structures.disorder.Disorder`).
    offset : largest distance of the particle from the rotation centre along each axis [Å].
    microscopes : set-ups to draw from, each (energy [eV], semi-angle, inner, outer angle [mrad]).
    source_sigma, thermal_sigma : [Å].
    pixel_size : [Å].
    margin : least free space around the particle in every image [Å].
    n_tilts : number of projections.
    tilt_limit : the tilts reach from -limit to limit [deg].
    full_range : share of the series that reach from -90 to 90 degrees.
    tilt_error : largest error of each Euler angle [deg].
    shift : standard deviation of the misalignment of images [Å].
    dose : [e/Å² per projection], drawn log-uniformly.
    background : share of the mean fraction of the images, added to every pixel.
    saturation : b in L / (1 + b L).
    scale_error : standard deviation of the factor on each image.
    read_noise : [electrons per pixel].
    """

    families: Mapping[str, float]
    elements: tuple[str, ...]
    max_elements: int
    n_atoms: Range
    vacancies: float
    roughness: float
    strain: float
    displacement: float
    offset: float
    microscopes: tuple[tuple[float, float, float, float], ...]
    source_sigma: Range
    thermal_sigma: Range
    pixel_size: Range
    margin: float
    n_tilts: Range
    tilt_limit: Range
    full_range: float
    tilt_error: float
    shift: float
    dose: Range
    background: Range
    saturation: Range
    scale_error: float
    read_noise: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families or min(self.families.values()) < 0 or sum(self.families.values()) <= 0:
            raise ConfigError(f"simulation.families: {dict(self.families)}: give weights >= 0 of {', '.join(FAMILIES)}")
        for entry in fields(self):
            if entry.type is Range:
                low, high = getattr(self, entry.name)
                if not 0 <= low <= high:
                    raise ConfigError(f"simulation.{entry.name}: ({low}, {high}): expected 0 <= lowest <= highest")
        if not 1 <= self.max_elements <= min(4, len(self.elements)):
            raise ConfigError(f"simulation.max_elements is {self.max_elements}: expected 1 to 4, and as many elements")
        if self.dose[0] <= 0 or self.n_tilts[0] < 2 or self.n_atoms[0] < 2 or not self.microscopes:
            raise ConfigError(
                "simulation: dose must be positive, n_tilts and n_atoms at least 2, microscopes not empty"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, such as a YAML file holds; unknown and missing keys are ConfigErrors."""
        names = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in names:
                near = get_close_matches(key, names, n=2)
                raise ConfigError(
                    f"simulation.{key} is no option" + (f"; did you mean {' or '.join(near)}?" * bool(near))
                )
        missing = [name for name in names if name not in values]
        if missing:
            raise ConfigError(f"simulation: {', '.join(missing)} not given")
        return cls(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    """Lists as tuples, all the way down."""
    return tuple(_frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, eq=False)
class Sample:
    """One random series and everything that is known about it.

    Attributes
    ----------
    series : counts with nominal angles, as a user has them.
    truth : positions [Å] in the frame of the reconstruction, elements, and as `intensities` the electrons that an atom
        sends onto the detector in one projection (dose times cross-section).
    microscope : with its source.
    psf : profile of an atom in the images, all blurs included (probe, source, thermal motion, pixel).
    cross_sections : [Å²] by atomic number.
    expected : (n_tilts, nx, ny) float32 expected counts, background included.
    background : (n_tilts,) expected counts per pixel without the particle.
    true_angles : (n_tilts, 3) [deg], of the images; `series.angles` lack the tilt errors.
    """

    series: TiltSeries
    truth: AtomicModel
    microscope: Microscope
    psf: PointSpread
    cross_sections: Mapping[int, float]
    expected: NDArray[np.float32]
    background: NDArray[np.float64]
    true_angles: NDArray[np.float64] = field(repr=False)


def random_truth(config: SampleConfig, rng: np.random.Generator) -> AtomicModel:
    """A random particle, off the rotation centre by at most `config.offset` along each axis."""
    names = list(config.families)
    weights = np.array([config.families[name] for name in names], dtype=np.float64)
    family = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    n_elements = int(rng.integers(1, config.max_elements + 1))
    elements = [atomic_number(symbol) for symbol in rng.choice(config.elements, size=n_elements, replace=False)]
    n_atoms = int(rng.integers(int(config.n_atoms[0]), int(config.n_atoms[1]) + 1))
    disorder = Disorder(config.vacancies, config.roughness, config.strain, config.displacement)
    model = random_particle(family, elements, n_atoms, disorder, rng)
    return model.replace(positions=model.positions + rng.uniform(-config.offset, config.offset, size=3))


def _tilts(config: SampleConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    limit = 90.0 if rng.random() < config.full_range else rng.uniform(*config.tilt_limit)
    return evenly_spaced(limit, int(rng.integers(int(config.n_tilts[0]), int(config.n_tilts[1]) + 1)))


def random_sample(
    config: SampleConfig,
    seed: int,
    index: int,
    *,
    tier: Tier = "linear",
    truth: AtomicModel | None = None,
    progress: bool = False,
) -> Sample:
    """Sample number `index` of the endless data set named by `config` and `seed`; always the same for the same three.

    Parameters
    ----------
    tier : "linear" sums atoms (`pann.simulation.imaging.linear`), with a random saturation and scale of each image in
        place of channelling; "prism" scatters electrons (`pann.simulation.imaging.prism`), about a minute for each
        image, without misalignment.
    truth : image this model, given about the rotation centre, instead of a random particle.
    progress : show a bar over the images of a PRISM series.
    """
    if tier not in get_args(Tier):
        raise ConfigError(f"tier is {tier!r}: expected one of {', '.join(get_args(Tier))}")
    if truth is None:
        truth = random_truth(config, generator(seed, "structure", index))
    rng = generator(seed, "acquisition", index)
    set_up = config.microscopes[int(rng.integers(len(config.microscopes)))]
    microscope = Microscope(*set_up, source_sigma=rng.uniform(*config.source_sigma))
    pixel_size = rng.uniform(*config.pixel_size)
    thermal = rng.uniform(*config.thermal_sigma)
    nominal = _tilts(config, rng)
    true_angles = jittered_angles(nominal, config.tilt_error, rng)
    reach = float(np.linalg.norm(truth.positions, axis=1).max()) + config.margin
    edge = 2 * ceil(reach / pixel_size)
    scale = np.clip(1 + config.scale_error * rng.normal(size=len(nominal)), 0.5, 1.5)
    saturation = rng.uniform(*config.saturation)
    shifts = image_shifts(len(nominal), config.shift, rng)
    if tier == "prism":
        options = PrismOptions(sampling=min(0.066, microscope.sampling_limit), thermal_sigma=thermal)
        fractions = simulate_prism(
            truth, true_angles, (edge, edge), pixel_size, microscope, options=options, seed=seed, progress=progress
        )
    else:
        fractions = simulate_linear(
            truth,
            true_angles,
            (edge, edge),
            pixel_size,
            microscope,
            thermal_sigma=thermal,
            scale=scale,
            saturation=saturation,
            shifts=shifts,
        )
    dose = float(np.exp(rng.uniform(*np.log(config.dose))))
    level = float(rng.uniform(*config.background) * fractions.mean())
    series = record(
        fractions,
        nominal,
        pixel_size,
        dose,
        rng,
        background=level,
        read_noise=config.read_noise,
        name=f"sample {seed}-{index}",
    )
    kernels = atom_kernels(microscope, np.unique(truth.numbers).tolist())
    cross_sections = {number: kernel.cross_section for number, kernel in kernels.items()}
    electrons = dose * pixel_size**2
    return Sample(
        series=series,
        truth=truth.replace(intensities=[dose * cross_sections[int(number)] for number in truth.numbers]),
        microscope=microscope,
        psf=series_psf(truth, pixel_size, microscope, thermal),
        cross_sections=cross_sections,
        expected=(fractions + np.float32(level)) * np.float32(electrons),
        background=np.full(len(nominal), level * electrons),
        true_angles=true_angles,
    )
