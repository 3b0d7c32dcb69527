"""What a dose will do, before the experiment: bound, detection and Bayes error of an expected structure.

Expected counts, background included, are proportional to the dose D per projection, hence so is the Fisher information:
one evaluation at one dose tells all others. Positions scatter by C / D, with C the Cramér-Rao covariance at unit dose.
An atom of intensity H stands d √D above noise, d² = H² (F_aa − c) (`pann.fitting.existence.evidence`), and is found
when √T_free passes the threshold and T(H) > 0. T_free is non-central χ² with one degree of freedom and non-centrality
d² D (Wald, Trans. Am. Math. Soc. 54, 426, 1943). Two elements are confused as `pann.fitting.elements` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ncx2, norm

from pann.core import AtomicModel, InputError, PointSpread, TiltSeries
from pann.core.elements import symbols
from pann.core.geometry import as_euler_angles
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.fitting.elements import bayes_error
from pann.fitting.existence.candidates import usual_nearest
from pann.fitting.existence.evidence import information_of_intensities
from pann.fitting.existence.profile import patches
from pann.fitting.existence.scene import Scene
from pann.fitting.existence.search import search
from pann.fitting.existence.threshold import expected_maxima, noise_threshold
from pann.fitting.fisher import position_covariance
from pann.fitting.likelihood import PoissonNoise
from pann.fitting.prediction import expand

MARGIN = 4.0
"""Free space around the particle in the images [Å]."""
LARGEST = 1.2
"""Standard deviation [Å] of a direction that the images do not hold, as in the fit."""
FULL_BELOW = 1000
"""Atoms from which the information matrix is no longer inverted as a whole."""
BLIND_LEVELS = (2.0, 10.0)
"""Between these levels [standard deviations] a blind search may draw the line."""
REFERENCE = 1000.0
"""Dose [e/Å² per projection] at which the information is evaluated; results do not depend on it."""


@dataclass(frozen=True)
class Plan:
    """What to expect of an acquisition.

    Attributes
    ----------
    doses : (k,) [e/Å² per projection].
    rmsd_pm : (k,) Cramér-Rao bound on the 3D RMSD [pm].
    axes_pm : (k, 3) the same along x, y (tilt axis) and z (beam).
    level : threshold of detection in standard deviations.
    detection : mean probability (k,) that an atom is found, by symbol.
    confusion : mean Bayes error (k,) by pair of elements, such as "Ni-Pt".
    """

    doses: NDArray[np.float64]
    rmsd_pm: NDArray[np.float64]
    axes_pm: NDArray[np.float64]
    level: float
    detection: dict[str, NDArray[np.float64]]
    confusion: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Acquisition:
    """What is known of the images to come.

    Attributes
    ----------
    cross_sections : [Å²] by atomic number: electrons on the detector per incident electron and area.
    psf : profile of an atom, all blurs included.
    pixel_size : [Å].
    background : counts without the particle, as a share of its mean over the images.
    """

    cross_sections: Mapping[int, float]
    psf: PointSpread
    pixel_size: float
    background: float = 0.0


def plan_dose(
    model: AtomicModel,
    angles: ArrayLike,
    acquisition: Acquisition,
    doses: Sequence[float],
    *,
    false_share: float = 0.01,
    new_distance: float = 1.75,
    reach: float = 1.35,
) -> Plan:
    """Bound, detection and Bayes error of `model` at each of `doses` [e/Å² per projection].

    Parameters
    ----------
    model : expected structure: positions [Å] about the rotation centre, and elements.
    angles : (n_tilts,) or (n_tilts, 3) [deg].
    false_share, new_distance, reach : of the test that finds atoms, `pann.fitting.existence.decide_atoms`.
    """
    scale = np.asarray(doses, dtype=np.float64)
    if scale.ndim != 1 or not len(scale) or not np.all(np.isfinite(scale) & (scale > 0)):
        raise InputError(f"doses are {doses}: expected positive numbers [e/Å² per projection]")
    scene, bright = _expected_scene(model, angles, acquisition)
    variances = REFERENCE * _position_variances(scene, bright, acquisition)
    axes = PICOMETRES_PER_ANGSTROM * np.sqrt(variances.mean(0) / scale[:, None])
    kinds = np.unique(model.numbers)
    heights = {int(z): REFERENCE * acquisition.cross_sections[int(z)] for z in kinds}
    # expected images instead of measured ones: the information is that of the truth
    information = information_of_intensities(scene, bright)
    found = search(scene, bright, new_distance, reach * usual_nearest(bright))
    level = noise_threshold(false_share * len(model), found.independent)
    growth = np.sqrt(scale / REFERENCE)
    lightest = min(heights.values())
    detection = {}
    for z, height in heights.items():
        spread = np.sqrt(information[model.numbers == z])
        signal, half = height * spread[:, None] * growth, 0.5 * lightest * spread[:, None] * growth
        detection[symbols([z])[0]] = ncx2.sf(np.maximum(level, half) ** 2, 1, signal**2).mean(0)
    confusion = {}
    for a, b in combinations(heights, 2):
        mine = np.isin(model.numbers, (a, b))
        gaps = abs(heights[a] - heights[b]) * np.sqrt(information[mine])[:, None] * growth
        confusion["-".join(symbols([a, b]))] = bayes_error(gaps).mean(0)
    return Plan(scale, np.sqrt((axes**2).sum(1)), axes, level, detection, confusion)


@dataclass(frozen=True)
class ExistenceLimits:
    """What the images alone say about which atoms are there, at k doses.

    Attributes
    ----------
    blind : (k, n_atoms) expected missed and false atoms for each true one where nothing is known but the images: an
        atom is found when it stands above what noise does anywhere in the particle, at the level that costs fewest.
        False atoms count for all true ones alike.
    sites : (k, n_atoms) the same where all sites are known but not which of them are filled, all other atoms are known,
        and beside the site of each atom there is an empty one: Bayes error of two hypotheses, d apart, at two sites,
        2 Φ(−d / 2).
    """

    blind: NDArray[np.float64]
    sites: NDArray[np.float64]


def existence_limits(
    model: AtomicModel, angles: ArrayLike, acquisition: Acquisition, doses: ArrayLike
) -> ExistenceLimits:
    """How many atoms of `model` the images can show at each of `doses` (k,) [e/Å² per projection].

    A method that does better knows something of the particle: `ExistenceLimits.blind` bounds those that look for atoms
    one by one, `sites` those that know the lattice but not where it ends. Parameters as in `plan_dose`.
    """
    growth = np.sqrt(np.asarray(doses, dtype=np.float64) / REFERENCE)[:, None]
    scene, bright = _expected_scene(model, angles, acquisition)
    heights = np.asarray(bright.intensities)
    apart = heights * np.sqrt(information_of_intensities(scene, bright)) * growth
    alone = _distances(scene, bright) * growth
    places = search(scene, bright, 0.0, usual_nearest(bright) / 2).independent
    levels = np.linspace(*BLIND_LEVELS, 200)
    false = np.array([expected_maxima(level, places) for level in levels]) / len(model)
    blind = []
    for distance in apart:
        missed = 1 - ncx2.sf(levels[:, None] ** 2, 1, distance**2)
        blind.append((missed + false[:, None])[np.argmin(missed.mean(1) + false)])
    return ExistenceLimits(np.minimum(np.array(blind), 1.0), 2 * norm.sf(alone / 2))


def _distances(scene: Scene, bright: AtomicModel) -> NDArray[np.float64]:
    """How far apart the expected counts with and without each atom are, (n_atoms,) standard deviations.

    The root of a Poisson count has a variance of 1/4 whatever its mean (Anscombe, Biometrika 35, 246, 1948), so that
    d² = 4 Σ (√μ₁ − √μ₀)² serves both hypotheses alike.
    """
    found, intensities = [], torch.tensor(np.asarray(bright.intensities))
    for part, patch in patches(scene, bright):
        with_atom = patch.without + patch.light(scene, intensities[part])
        roots = with_atom.clamp(min=0).sqrt() - patch.without.clamp(min=0).sqrt()
        found.append(2 * roots.square().sum(1).sqrt())
    return torch.cat(found).numpy()


def plan_tilt_range(
    model: AtomicModel, limits: Sequence[float], n_tilts: int, acquisition: Acquisition, dose: float
) -> NDArray[np.float64]:
    """Bound on the RMSD along x, y and z [pm] for tilts from -limit to limit, (n_limits, 3).

    Parameters
    ----------
    limits : [deg], above 0 and at most 90.
    n_tilts : number of evenly spaced tilts, the same for each limit.
    dose : [e/Å² per projection].
    """
    rows = []
    for limit in limits:
        if not 0 < limit <= 90:
            raise InputError(f"tilt limit is {limit}: expected an angle above 0 and at most 90 [deg]")
        # at 90° the last image would be the mirror image of the first
        angles = np.linspace(-limit, limit, n_tilts, endpoint=limit < 90)
        scene, bright = _expected_scene(model, angles, acquisition)
        rows.append(REFERENCE / dose * _position_variances(scene, bright, acquisition).mean(0))
    return PICOMETRES_PER_ANGSTROM * np.sqrt(np.array(rows))


def _expected_scene(model: AtomicModel, angles: ArrayLike, acquisition: Acquisition) -> tuple[Scene, AtomicModel]:
    """The expected images at `REFERENCE`, as if they had been measured, and the model with its intensities."""
    if not len(model) or np.any(model.numbers <= 0):
        raise InputError(f"{model.name}: planning needs at least one atom, and the element of every atom")
    euler = as_euler_angles(angles)
    pixel = acquisition.pixel_size
    edge = 2 * ceil((float(np.linalg.norm(model.positions, axis=1).max()) + MARGIN) / pixel)
    bright = model.replace(intensities=[REFERENCE * acquisition.cross_sections[int(z)] for z in model.numbers])
    images = expand(bright, acquisition.psf, euler, (edge, edge), pixel).images
    # a share of the mean, and never nothing: a pixel that expects no count would hold infinite information
    level = max(acquisition.background, 1e-3) * float(images.mean())
    expected = images + level
    series = TiltSeries(expected.numpy(), euler, pixel, dose=REFERENCE, name=model.name)
    scene = Scene(
        series=series,
        images=expected,
        expected=expected,
        psf=acquisition.psf,
        scales=np.ones(len(euler)),
        shifts=np.zeros((len(euler), 2)),
        noise=PoissonNoise(1e-6 * level),
    )
    return scene, bright


def _position_variances(scene: Scene, bright: AtomicModel, acquisition: Acquisition) -> NDArray[np.float64]:
    """Variances of x, y, z of each atom (n_atoms, 3) [Å²], intensities, backgrounds and probe width free."""
    series = scene.series
    expansion = expand(bright, acquisition.psf, series.angles, series.image_shape, series.pixel_size, by_element=True)
    no_prior = torch.zeros(expansion.layout.n_parameters, dtype=torch.float64)
    full = len(bright) < FULL_BELOW
    covariance = position_covariance(expansion, scene.inverse_variance, no_prior, full, LARGEST)
    return np.asarray(covariance.diagonal(dim1=1, dim2=2).numpy())


def intensity_information(
    model: AtomicModel, angles: ArrayLike, acquisition: Acquisition
) -> tuple[NDArray[np.float64], dict[int, float]]:
    """What images at 1 e/Å² per projection would say of each atom's intensity.

    Intensities grow with the dose, this information falls with it: the pixels hold as much more noise.

    Returns
    -------
    Fisher information (n_atoms,) of each intensity, the positions of the neighbours being free, and the intensity of
    each element by atomic number, in electrons.
    """
    scene, bright = _expected_scene(model, angles, acquisition)
    heights = {int(z): REFERENCE * acquisition.cross_sections[int(z)] for z in np.unique(model.numbers)}
    information = information_of_intensities(scene, bright)
    return information * REFERENCE, {z: height / REFERENCE for z, height in heights.items()}
