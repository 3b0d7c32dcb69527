"""Random simulated series: what the networks train on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.psf import PointSpread
from pann.core.random import generator
from pann.core.tilt_series import TiltSeries
from pann.simulation.config import Choice, SimulationConfig
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import LinearTier, series_psf
from pann.simulation.imaging.resumable import resumable_fractions
from pann.simulation.imaging.tiers import tier_from_mapping
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope
from pann.simulation.noise import Distortions
from pann.simulation.structures import build_structure
from pann.simulation.tilts import tilt_scheme

ThermalSigma = float | Mapping[int, float]


@dataclass(frozen=True, eq=False)
class Sample:
    """One random series and everything that is known about it.

    Attributes
    ----------
    series : images with nominal angles, as a user has them.
    truth : positions [Å] in the frame of the reconstruction, elements, and as `intensities` the electrons that an atom
        sends onto the detector in one projection (dose times cross-section).
    microscope : with its source.
    thermal_sigma : rms displacement of the atoms along one axis [Å], one number or one by atomic number.
    psf : profile of an atom in the images, all blurs included (probe, source, thermal motion, pixel).
    cross_sections : [Å²] by atomic number.
    choice : names of the structure, the tilts and the noise.
    drawn : everything else that was drawn (`pann.simulation.noise.Drawn.truth`); among it `true_angles` (n_tilts, 3)
        [deg] of the images, which `series.angles` lack.
    expected : (n_tilts, nx, ny) float32 expected electrons, background included; None for a sample read from a file.
    """

    series: TiltSeries
    truth: AtomicModel
    microscope: Microscope
    thermal_sigma: ThermalSigma
    psf: PointSpread
    cross_sections: Mapping[int, float]
    choice: Mapping[str, str]
    drawn: Mapping[str, Any] = field(repr=False)
    expected: NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Acquisition:
    """What is imaged and how, before any image is computed.

    Attributes
    ----------
    seed, index : name of the sample.
    choice : where it stands on the axes of the data set.
    model : the particle, about the rotation centre.
    microscope, thermal_sigma, pixel_size : see `Sample`.
    angles : nominal (n_tilts, 3) [deg].
    dose : [e/Å² per projection].
    image_shape : (nx, ny).
    distortions : from which noise is drawn.
    tier : plain options of the tier.
    """

    seed: int
    index: int
    choice: Choice
    model: AtomicModel
    microscope: Microscope
    thermal_sigma: ThermalSigma
    pixel_size: float
    angles: NDArray[np.float64]
    dose: float
    image_shape: tuple[int, int]
    distortions: Distortions
    tier: Mapping[str, Any]


def draw_acquisition(config: SimulationConfig, seed: int, index: int) -> Acquisition:
    """The acquisition of sample number `index`."""
    choice = config.choice(seed, index)
    model = build_structure(config.structures[choice.structures], generator(seed, "structure", index))
    rng = generator(seed, "acquisition", index)
    model = model.replace(positions=model.positions + rng.uniform(-config.offset, config.offset, size=3))
    microscope = config.microscope.draw(rng)
    pixel_size = float(rng.uniform(*config.pixel_size))
    thermal = float(rng.uniform(*config.thermal_sigma))
    angles = tilt_scheme(config.tilts[choice.tilts], rng)
    reach = float(np.linalg.norm(model.positions, axis=1).max()) + config.margin
    edge = 2 * ceil(reach / pixel_size)
    return Acquisition(
        seed=seed,
        index=index,
        choice=choice,
        model=model,
        microscope=microscope,
        thermal_sigma=_by_element(model, thermal),
        pixel_size=pixel_size,
        angles=angles,
        dose=config.dose.draw(choice.dose, len(angles), rng),
        image_shape=(edge, edge),
        distortions=config.noise[choice.noise],
        tier=config.tier,
    )


def _by_element(model: AtomicModel, otherwise: float) -> ThermalSigma:
    """Thermal displacements [Å] that the structure brings, by atomic number, or one for all."""
    own = model.metadata.get("thermal_sigma") or {}
    return {int(number): float(sigma) for number, sigma in own.items()} or otherwise


def random_sample(
    config: SimulationConfig, seed: int, index: int, *, images: Path | None = None, progress: bool = False
) -> Sample:
    """Sample number `index` of the endless data set named by `config` and `seed`; always the same for the same three.

    See `simulate` for the other arguments.
    """
    return simulate(draw_acquisition(config, seed, index), images=images, progress=progress)


def simulate(acquisition: Acquisition, *, images: Path | None = None, progress: bool = False) -> Sample:
    """Compute, distort and record the images of an acquisition.

    Parameters
    ----------
    images : folder in which the images of a scattering tier are kept one by one, so that an interrupted series goes
        on; None keeps nothing.
    progress : show a bar over the images of a scattering tier.
    """
    a = acquisition
    drawn = a.distortions.draw(a.seed, a.index, a.model, a.angles, a.image_shape, a.pixel_size)
    views = Views(drawn.true_angles, a.image_shape, a.pixel_size, drawn.defocus, drawn.displacements, drawn.present)
    tier: Any = replace(tier_from_mapping(a.tier), thermal_sigma=a.thermal_sigma)  # type: ignore[type-var]
    if isinstance(tier, LinearTier):  # imitate channelling, which the other tiers compute
        tier = replace(tier, saturation=drawn.saturation, scale=tuple(drawn.scale.tolist()))
    else:
        tier = replace(tier, sampling=min(tier.sampling, a.microscope.sampling_limit))
    phonons = int(generator(a.seed, "phonons", a.index).integers(2**62))
    if images is None or isinstance(tier, LinearTier):
        fractions = tier.fractions(a.model, views, a.microscope, seed=phonons, progress=progress)
    else:
        fractions = resumable_fractions(tier, a.model, views, a.microscope, images, seed=phonons, progress=progress)
    expected = drawn.expected(fractions, a.dose, a.pixel_size)
    recorded, kind = drawn.recorded(expected, generator(a.seed, "counts", a.index))
    name = f"{a.choice.structures} {a.seed}-{a.index}"
    kernels = atom_kernels(a.microscope, np.unique(a.model.numbers).tolist())
    sections = {number: kernel.cross_section for number, kernel in kernels.items()}
    intensities = [a.dose * sections[int(number)] for number in a.model.numbers]
    return Sample(
        series=TiltSeries(recorded, a.angles, a.pixel_size, kind=kind, dose=a.dose, name=name),
        truth=a.model.replace(intensities=intensities, name=name),
        microscope=a.microscope,
        thermal_sigma=a.thermal_sigma,
        psf=series_psf(a.model, a.pixel_size, a.microscope, a.thermal_sigma),
        cross_sections=sections,
        choice={"structure": a.choice.structures, "tilts": a.choice.tilts, "noise": a.choice.noise},
        drawn=drawn.truth(),
        expected=expected.astype(np.float32),
    )
