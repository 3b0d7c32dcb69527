"""One training particle for the classifier, made as the chain makes it: simulate, reconstruct, refine, trace, label."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pann.classifier.data import NOT_AN_ATOM, TracedParticle, write_particle
from pann.classifier.evidence import Evidence
from pann.classifier.features import FeatureConfig, describe_atoms
from pann.classifier.scattering import scattering_powers
from pann.core import AtomicModel, CheckpointError, ConfigError, PointSpread, Volume
from pann.core.elements import atomic_number, shortest_bond, symbols
from pann.core.random import generator
from pann.io import read_volume, write_volume
from pann.metrics import match
from pann.simulation import Sample, SimulationConfig
from pann.simulation.datasets import DataSet, sample_source
from pann.simulation.sample import draw_acquisition, simulate
from pann.tomography import reconstruct_details
from pann.tracing import trace

if TYPE_CHECKING:
    from pann.refiner import Refined

_HASH_LENGTH = 12
_MIN_ATOMS = {"train": 20}
"""With fewer traced atoms the true positions are taken: a series too dark for atoms to be seen teaches nothing else."""
_REDRAW_STRIDE, _REDRAWS = 10_000, 90
"""A sample that combines unseen elements is drawn again under its number plus a multiple of this."""


@dataclass(frozen=True)
class Recipe:
    """How traced particles are made.

    Attributes
    ----------
    simulation : options of `pann.simulation.config.SimulationConfig`.
    unseen : sets of element symbols of which no two may meet in a particle.
    least_signal : electrons in all images per atom; a fainter sample is drawn again.
    seed : of the samples.
    data_set : folder of a data set whose samples are taken instead, split after split; None simulates.
    reconstruction : options of `pann.tomography.reconstruct_details`, without `psf`.
    psf_sigma : (lowest, highest) blur [Å] that a reconstruction assumes; it is one Gaussian, as for a user.
    blurred : share of the particles that are reconstructed as if the images had no blur.
    bond_share, least_distance : no two peaks come closer than this share of the shortest bond, and than this [Å].
    weakest_peak : least height of a peak, in units of what the lightest element gives beside the heaviest.
    smoothing : (lowest, highest) standard deviation [Å] by volume, "raw" and "refined", before tracing.
    weigh : ask the counts about the peaks of refined volumes, as the chain does (`refiner.weigh`).
    loose, loose_factor : share of the training particles that are traced at a lower threshold, and (lowest, highest)
        of the factor.
    imageless : share of the raw training particles that are described by their volume alone.
    match_radius : within which a peak is the true atom [Å].
    features : see `FeatureConfig`.
    refiner : weights of a refiner, whose volumes are traced as well; None leaves them out.
    refined, refined_first : share of the first so many training particles that are refined as well.
    """

    simulation: Mapping[str, Any]
    seed: int
    reconstruction: Mapping[str, Any]
    psf_sigma: tuple[float, float]
    blurred: float
    bond_share: float
    least_distance: float
    weakest_peak: float
    smoothing: Mapping[str, tuple[float, float]]
    loose: float
    loose_factor: tuple[float, float]
    imageless: float
    match_radius: float
    features: Mapping[str, Any]
    refiner: str | None = None
    refined: float = 1.0
    refined_first: int = 1_000_000
    weigh: bool = False
    unseen: Sequence[Sequence[str]] = ()
    least_signal: float = 0.0
    data_set: str | None = None

    @cached_property
    def volumes_key(self) -> str:
        """Hash of what the reconstructions depend on."""
        blur = [list(self.psf_sigma), self.blurred]
        samples = [dict(self.simulation), self.seed] if self.data_set is None else [DataSet(self.data_set).plan.digest]
        return _digest([*samples, self.unseen, dict(self.reconstruction), blur])

    @cached_property
    def key(self) -> str:
        """Hash of what the traced particles depend on, the content of the refiner's weights included."""
        peaks = [self.bond_share, self.least_distance, self.weakest_peak, dict(self.smoothing)]
        loose = [self.loose, list(self.loose_factor), self.imageless]
        rest = [
            *peaks,
            *loose,
            self.match_radius,
            dict(self.features),
            self.refined,
            self.refined_first,
            self.least_signal,
            self.weigh,
        ]
        weights = None if self.refiner is None else sha256(_existing(self.refiner).read_bytes()).hexdigest()
        return _digest([self.volumes_key, rest, weights])

    @cached_property
    def refined_key(self) -> str:
        """Folder of the refined volumes, named by what they depend on."""
        from pann.training.refined_volumes import volumes_hash

        return f"refined-{self.volumes_key}-{volumes_hash(_existing(str(self.refiner)))}"

    @cached_property
    def forbidden(self) -> frozenset[frozenset[int]]:
        """Pairs of atomic numbers that no particle may hold."""
        numbers = [[atomic_number(symbol) for symbol in group] for group in self.unseen]
        return frozenset(frozenset(pair) for group in numbers for pair in combinations(group, 2))

    def combines(self, numbers: Sequence[int]) -> bool:
        """Whether elements `numbers` hold such a pair."""
        return any(frozenset(pair) in self.forbidden for pair in combinations({int(number) for number in numbers}, 2))

    def refines(self, split: str, index: int) -> bool:
        """Whether sample `index` of `split` is traced in its refined volume as well."""
        if self.refiner is None:
            return False
        if split != "train":
            return True
        return index < self.refined_first and generator(self.seed, "refined", index).random() < self.refined


def make_particle(recipe: Recipe, cache: Path, folder: Path, split: str, number: int, index: int) -> None:
    """Write one particle of `split`, sample `index`: a file for the raw volume and one for the refined, if asked."""
    sample, drawn = drawn_sample(recipe, index)
    rng = generator(recipe.seed, "tracing", index)
    raw = reconstructed(sample, recipe, cache / f"volumes-{recipe.volumes_key}" / f"{drawn:08d}.h5", drawn)
    background = np.array(raw.metadata["background"])
    loose = rng.random() < recipe.loose and split == "train"
    factor = rng.uniform(*recipe.loose_factor) if loose else 1.0
    bare = rng.random() < recipe.imageless and split == "train"
    options = tracing_options(recipe, sample)
    smoothing = {name: rng.uniform(*limits) for name, limits in sorted(recipe.smoothing.items())}

    found = trace(raw, **options, smoothing=smoothing["raw"])
    if loose:
        options |= {"threshold": factor * found.metadata["threshold"]}
        found = trace(raw, **options, smoothing=smoothing["raw"])
    evidence = Evidence(raw) if bare else Evidence(raw, series=sample.series, background=background)
    write_particle(_path(folder, split, number, "raw"), label_atoms(found, evidence, sample, recipe, split, "raw"))
    if not recipe.refines(split, index):
        return
    from pann.training.refined_volumes import refined_once  # seconds to import, and only needed here

    answer = refined_once(str(recipe.refiner), raw, sample.series, cache / recipe.refined_key / f"{drawn:08d}.npz")
    options = tracing_options(recipe, sample) | {"smoothing": smoothing["refined"]}
    found, odds = refined_peaks(answer, sample, recipe, factor, options)
    evidence = Evidence(raw, answer.volume, answer.presence, sample.series, background, odds)
    particle = label_atoms(found, evidence, sample, recipe, split, "refined")
    write_particle(_path(folder, split, number, "refined"), particle)


def refined_peaks(
    answer: "Refined", sample: Sample, recipe: Recipe, share: float, options: dict[str, Any]
) -> tuple[AtomicModel, NDArray[np.float64] | None]:
    """Peaks of a refined volume, down to `share` of the threshold, and their ln odds where the counts are asked."""
    from pann.refiner import least_odds, refined_threshold, trace_refined, weigh_refined

    if recipe.weigh and sample.series.kind == "counts":
        powers = scattering_powers(np.unique(sample.truth.numbers).tolist())
        found, odds = weigh_refined(answer, sample.series, powers, **options)
        kept = odds > least_odds(answer, share)
        return found.select(kept), odds[kept]
    return trace_refined(answer, **options | {"threshold": share * refined_threshold(answer.presence)}), None


def drawn_sample(recipe: Recipe, index: int) -> tuple[Sample, int]:
    """Sample `index`, or the first redrawn one that combines no unseen elements and is not too faint; and its number.

    Raises
    ------
    ConfigError : hardly any sample is of that kind, or a given data set combines such elements.
    """
    if recipe.data_set is not None:
        sample = sample_source(recipe.simulation, recipe.seed, recipe.data_set)(index)
        if recipe.combines(np.unique(sample.truth.numbers).tolist()):
            names = ", ".join(symbols(np.unique(sample.truth.numbers)))
            raise ConfigError(f"{recipe.data_set}: sample {index} combines {names}, which recipe.unseen keeps apart")
        return sample, index
    config = SimulationConfig.from_mapping(recipe.simulation)
    for trial in range(index, index + _REDRAWS * _REDRAW_STRIDE, _REDRAW_STRIDE):
        acquisition = draw_acquisition(config, recipe.seed, trial)
        if recipe.combines(np.unique(acquisition.model.numbers).tolist()):
            continue
        sample = simulate(acquisition)
        if float(sample.series.images.sum(dtype=np.float64)) >= recipe.least_signal * len(sample.truth):
            return sample, trial
    raise ConfigError(
        f"recipe.unseen, least_signal: {_REDRAWS} draws of sample {index} all combine such elements or are too faint"
    )


def reconstructed(sample: Sample, recipe: Recipe, path: Path, index: int) -> Volume:
    """The reconstruction of `sample` number `index`, from `path` if it is there; kept in half precision.

    Its metadata hold the `background` of the images.
    """
    if not path.is_file():
        rng = generator(recipe.seed, "reconstruction", index)
        sigma = float(rng.uniform(*recipe.psf_sigma))
        psf = None if rng.random() < recipe.blurred else PointSpread((sigma,))
        found = reconstruct_details(sample.series, psf=psf, progress=False, **recipe.reconstruction)
        scale = float(found.volume.values.max()) or 1.0  # half precision holds no small numbers
        metadata = {"background": found.background.tolist(), "scale": scale}
        values = (found.volume.values / scale).astype(np.float16)
        write_volume(path, found.volume.replace(values=values, metadata=metadata))
    kept = read_volume(path)
    return kept.replace(values=np.float32(kept.metadata["scale"]) * kept.values)


def tracing_options(recipe: Recipe, sample: Sample) -> dict[str, Any]:
    """Options of the tracer, as the chain has them when the elements are known."""
    elements = np.unique(sample.truth.numbers).tolist()
    powers = scattering_powers(elements)
    return {
        "min_distance": max(recipe.least_distance, recipe.bond_share * shortest_bond(elements)),
        "least_share": recipe.weakest_peak * float(powers.min() / powers.max()),
        "threshold": "auto",
    }


def label_atoms(
    found: AtomicModel, evidence: Evidence, sample: Sample, recipe: Recipe, split: str, source: str
) -> TracedParticle:
    """Describe traced atoms and label every one by the true atom it belongs to."""
    truth = sample.truth
    if len(found) < _MIN_ATOMS.get(split, 2):
        found, evidence = AtomicModel(truth.positions), replace(evidence, odds=None)
    pairs = match(found.positions, truth.positions, recipe.match_radius)
    labels = np.full(len(found), NOT_AN_ATOM, dtype=np.int64)
    labels[pairs[:, 0]] = truth.numbers[pairs[:, 1]]
    features = describe_atoms(evidence, found, FeatureConfig.from_dict(dict(recipe.features)))
    elements = tuple(int(number) for number in np.unique(truth.numbers))
    return TracedParticle(features, labels, elements, len(truth), float(sample.series.dose or np.nan), source)


def is_complete(recipe: Recipe, folder: Path, split: str, number: int, index: int) -> bool:
    """Whether all files of a particle are there."""
    sources = ("raw", "refined") if recipe.refines(split, index) else ("raw",)
    return all(_path(folder, split, number, source).is_file() for source in sources)


def _path(folder: Path, split: str, number: int, source: str) -> Path:
    return folder / split / f"{number:06d}.{source}.h5"


def _existing(path: str) -> Path:
    if not Path(path).is_file():
        raise CheckpointError(
            f"refiner {path} does not exist: name its .safetensors file, or leave recipe.refiner null"
        )
    return Path(path)


def _digest(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()[:_HASH_LENGTH]
