"""What the network sees of each atom: density moments, intensities, and its place in the particle.

Moments and intensities are taken in the reconstruction and in the refiner's volume, intensities in the images too; a
source that is missing is replaced by the next best one, and flagged. Everything is relative to the particle's own
typical atom, since the scale of a reconstruction is arbitrary, and nothing depends on the frame: positions enter
through distances only.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtri

from pann.classifier.emission import image_intensities
from pann.classifier.evidence import Evidence
from pann.classifier.intensity import integrated_intensity, relative_log, typical
from pann.classifier.zernike import sample, zernike_basis, zernike_moments
from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.core.volume import Volume

_FLOOR = 0.02
_QUANTILES = (0.05, 0.15, 0.3, 0.7, 0.85, 0.95)
MEASURES = ("images", "raw", "refined")
"""Where the intensity of an atom is measured, in the order of `AtomFeatures.log_intensities`."""
GROUPS = ("intensities", "zernike", "images", "standing", "surroundings", "particle", "sources", "existence")
"""Kinds of columns, in order; see `column_groups`."""
_SURROUNDINGS = 10
_EXISTENCE = 2
_LARGEST_ODDS = 6.0
"""Of ln odds: beyond it an atom is as good as certain."""


@dataclass(frozen=True)
class FeatureConfig:
    """How atoms are described; stored with the weights, since a network only fits the features it was trained on.

    Attributes
    ----------
    order : highest order of the Zernike moments.
    radius : of the ball around each atom in which they are taken [Å].
    intensity_radius : of the ball whose integral is *the* intensity of the atom [Å].
    radii : further balls over which the intensity is integrated [Å].
    local_radius : of the sphere of atoms that count as surroundings [Å].
    existence : whether the odds that an atom is there are among the features.
    """

    order: int = 8
    radius: float = 1.7
    intensity_radius: float = 1.2
    radii: tuple[float, ...] = (0.5, 0.8, 1.7, 2.4)
    local_radius: float = 10.0
    existence: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "FeatureConfig":
        """The inverse of `to_dict`."""
        return cls(**{**values, "radii": tuple(values["radii"])})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "radii": list(self.radii)}


@dataclass(frozen=True, eq=False)
class AtomFeatures:
    """Atoms as the network sees them, before any candidate element is named.

    Attributes
    ----------
    positions : (n, 3) float32 [Å].
    values : (n, n_features) float32.
    log_intensities : (n, 3) float32, log of the intensity by each of `MEASURES`, relative to the typical atom.
    """

    positions: NDArray[np.float32]
    values: NDArray[np.float32]
    log_intensities: NDArray[np.float32]

    @property
    def log_intensity(self) -> NDArray[np.float32]:
        """The best measure of the intensity, (n,)."""
        return self.log_intensities[:, 0]


def describe_atoms(evidence: Evidence, model: AtomicModel, config: FeatureConfig) -> AtomFeatures:
    """Features of every atom of `model`.

    Raises InputError when there are no atoms, they lie outside the density, or there are not as many odds as atoms.
    """
    if not len(model):
        raise InputError(f"{model.name}: there are no atoms to classify: lower the tracing threshold")
    positions = np.asarray(model.positions)
    raw = _in_volume(evidence.raw, positions, config)
    refined = raw if evidence.refined is None else _in_volume(evidence.refined, positions, config)
    from_images, doubt = _in_images(evidence, positions, raw[0][:, 0])
    measures = np.stack([from_images, raw[0][:, 0], refined[0][:, 0]], axis=1)
    n = len(positions)
    sources = np.zeros((n, 3))
    sources[:] = evidence.series is not None, evidence.refined is not None, 0
    if evidence.presence is not None:
        sources[:, 2] = _peak(evidence.presence, positions)
    blocks = {
        "intensities": np.concatenate([raw[0], refined[0]], axis=1),
        "zernike": np.concatenate([raw[1], refined[1]], axis=1),
        "images": np.stack([from_images, doubt], axis=1),
        "standing": np.concatenate([_standing(column) for column in measures.T], axis=1),
        "surroundings": _surroundings(positions, measures[:, 0], config.local_radius),
        "particle": np.broadcast_to(_particle(measures[:, 0]), (n, len(_QUANTILES) + 2)),
        "sources": sources,
        "existence": _existence(evidence, model)[:, : _EXISTENCE * config.existence],
    }
    values = np.concatenate([blocks[name] for name in GROUPS], axis=1)
    return AtomFeatures(positions.astype(np.float32), values.astype(np.float32), measures.astype(np.float32))


def column_groups(config: FeatureConfig) -> dict[str, slice]:
    """Columns of `AtomFeatures.values` by kind."""
    invariants = len(zernike_basis(config.order).shells)
    sizes = {
        "intensities": 2 * (1 + len(config.radii)),
        "zernike": 2 * (invariants + config.order // 2 + 2),
        "images": 2,
        "standing": 2 * len(MEASURES),
        "surroundings": _SURROUNDINGS,
        "particle": len(_QUANTILES) + 2,
        "sources": 3,
        "existence": _EXISTENCE * config.existence,
    }
    groups, start = {}, 0
    for name in GROUPS:
        groups[name] = slice(start, start + sizes[name])
        start += sizes[name]
    return groups


def n_features(config: FeatureConfig) -> int:
    """Number of columns of `AtomFeatures.values`."""
    return column_groups(config)[GROUPS[-1]].stop


def _in_volume(
    volume: Volume, positions: NDArray[np.float64], config: FeatureConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log intensities in balls, *the* intensity first, (n, n_radii + 1), and moments, of the atoms in one volume."""
    radii = (config.intensity_radius, *config.radii)
    balls = [relative_log(integrated_intensity(volume, positions, radius)) for radius in radii]
    return np.stack(balls, axis=-1), _density_moments(volume, positions, config)


def _in_images(
    evidence: Evidence, positions: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log intensity of each atom in the images and log of its standard deviation, both relative to a typical atom."""
    if evidence.series is None:
        return otherwise, np.zeros(len(positions))
    found = image_intensities(evidence.series, positions, evidence.background)
    return relative_log(found.values), np.log(np.clip(found.sigma / typical(found.values), 1e-3, 10))


def _peak(presence: Volume, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Value of `presence` at each atom, (n,)."""
    values = torch.from_numpy(np.array(presence.values))
    found = sample(values, torch.from_numpy(presence.indices(positions)).to(values))
    return np.clip(found.double().numpy(), 0, 2)


def _existence(evidence: Evidence, model: AtomicModel) -> NDArray[np.float64]:
    """The ln odds of each atom, zero where nobody knows them, and whether they are known, (n, 2)."""
    columns = np.zeros((len(model), _EXISTENCE))
    if evidence.odds is not None:
        if len(evidence.odds) != len(model):
            raise InputError(f"{model.name}: there are odds of {len(evidence.odds)} atoms for {len(model)}")
        columns[:, 0] = np.clip(evidence.odds, -_LARGEST_ODDS, _LARGEST_ODDS)
        columns[:, 1] = 1
    return columns


def _density_moments(volume: Volume, positions: NDArray[np.float64], config: FeatureConfig) -> NDArray[np.float64]:
    """Log Zernike invariants, signed moments of l = 0 and radial moments ⟨r²⟩, ⟨r⁴⟩ [ball radius], per atom."""
    basis = zernike_basis(config.order)
    density = torch.from_numpy(np.array(volume.values))
    index = torch.from_numpy(volume.indices(positions))
    moments = zernike_moments(density, index, config.radius / volume.voxel_size, basis).double()
    invariants = basis.invariants(moments).numpy()
    unit = typical(invariants[:, 0])
    mean = np.maximum(moments[:, :1].numpy(), 1e-3 * unit)
    spherical = [column for column, (n, degree, _) in enumerate(basis.degrees) if degree == 0 and n > 0]
    ratios = moments[:, spherical].numpy() / mean
    # ⟨r²⟩ and ⟨r⁴⟩ from the moments of n = 2 and 4: r² = 3/5 + c₂ R₂₀ / R₀₀ and so on, by projection on the basis.
    radius2 = (basis.points**2).sum(1)
    powers = torch.stack([radius2, radius2**2], dim=1)
    coefficients = basis.project(powers.T)[:, [0, *spherical]].numpy()
    constant = basis.functions[0, 0].item()
    radial = np.concatenate([np.ones_like(mean), ratios], axis=1) @ coefficients.T * constant
    return np.concatenate([np.log(_FLOOR + invariants / unit), np.clip(ratios, -5, 5), np.clip(radial, 0, 2)], axis=1)


def _standing(log_intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust z-score and normal score of the rank of each atom within the particle, (n, 2)."""
    n = len(log_intensity)
    low, high = np.quantile(log_intensity, (0.16, 0.84))
    z_score = log_intensity / max((high - low) / 2, 0.02)
    rank = np.argsort(np.argsort(log_intensity, kind="stable"))
    return np.stack([np.clip(z_score, -6, 6), ndtri((rank + 0.5) / n)], axis=-1)


def _surroundings(
    positions: NDArray[np.float64], log_intensity: NDArray[np.float64], local_radius: float
) -> NDArray[np.float64]:
    """Coordination, spacing, asymmetry and neighbour intensities of each atom, (n, 10)."""
    n, k = len(positions), min(13, len(positions))
    tree = cKDTree(positions)
    distance, index = tree.query(positions, k=k)
    distance, index = distance.reshape(n, k)[:, 1:], index.reshape(n, k)[:, 1:]
    bond = float(np.median(distance[:, 0])) if k > 1 else 1.0
    near = (distance < 1.4 * bond).astype(np.float64)
    count = near.sum(1)
    divisor = np.maximum(count, 1)
    steps = positions[index] - positions[:, None]
    lean = np.linalg.norm((near[..., None] * steps / np.maximum(distance, 1e-6)[..., None]).sum(1), axis=1) / divisor
    neighbours = log_intensity[index]
    near_mean = (near * neighbours).sum(1) / divisor
    sums = np.zeros((n, 3))
    for atom, members in enumerate(tree.query_ball_point(positions, local_radius)):
        group = log_intensity[members]
        sums[atom] = np.median(group), np.std(group), len(group)
    depth = np.linalg.norm(positions - positions.mean(0), axis=1)
    columns = (
        count / 12,
        distance[:, 0] / bond if k > 1 else np.ones(n),
        (near * distance).sum(1) / divisor / bond,
        lean,
        near_mean,
        log_intensity - near_mean,
        log_intensity - sums[:, 0],
        sums[:, 1],
        np.log(sums[:, 2]),
        depth / max(float(depth.max()), bond),
    )
    return np.stack(columns, axis=-1)


def _particle(log_intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the intensities of the whole particle look like, the same for every atom of it, (n_quantiles + 2,)."""
    return np.append(np.quantile(log_intensity, _QUANTILES), [np.std(log_intensity), np.log(len(log_intensity)) - 6])
