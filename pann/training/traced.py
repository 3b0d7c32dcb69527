"""Training particles for the classifier: simulate, reconstruct, refine if asked, trace, label by the truth.

Everything is cached under a hash of what it depends on, particle by particle, so that an interrupted run goes on where
it stopped. Reconstructions, which cost most, have a cache of their own: a change of features or tracing reuses them.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from pann.classifier.data import NOT_AN_ATOM, ClassifierData, TracedParticle, write_particle
from pann.classifier.features import FeatureConfig, describe_atoms
from pann.classifier.scattering import scattering_powers
from pann.core import AtomicModel, CheckpointError, PointSpread, Volume
from pann.core.elements import shortest_bond
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.io import read_volume, write_volume
from pann.metrics import match
from pann.simulation import Sample
from pann.simulation.datasets import DataSet, sample_source
from pann.tomography import reconstruct
from pann.tracing import trace

SPLIT_STRIDE = 1_000_000
"""Sample numbers of successive splits start this far apart: a larger split does not move the others."""
_HASH_LENGTH = 12
_MIN_ATOMS = 20


@dataclass(frozen=True)
class Recipe:
    """How traced particles are made.

    Attributes
    ----------
    simulation : options of `pann.simulation.config.SimulationConfig`.
    seed : of the samples.
    data_set : folder of a data set whose samples are taken instead, split after split; None simulates.
    reconstruction : options of `pann.tomography.reconstruct`, without `psf`.
    psf_sigma : (lowest, highest) blur [Å] that a reconstruction assumes; it is one Gaussian, as for a user.
    blurred : share of the particles that are reconstructed as if the images had no blur.
    smoothed : share of the training particles whose volume is smoothed by a Gaussian of `smoothing` before anything
        else, to widen the atoms as other reconstructions and the refiner do.
    smoothing : (lowest, highest) standard deviation [Å].
    bond_share, least_distance : no two peaks come closer than this share of the shortest bond, and than this [Å].
    weakest_peak : least height of a peak, in units of what the lightest element gives beside the heaviest.
    tracing : other options of `pann.tracing.trace`.
    loose : share of the training particles that are traced at half the threshold, to show more peaks that are no atoms.
    match_radius : within which a peak is the true atom [Å].
    features : see `FeatureConfig`.
    refiner : weights of a refiner, whose volumes are traced as well; None leaves them out.
    """

    simulation: Mapping[str, Any]
    seed: int
    reconstruction: Mapping[str, Any]
    psf_sigma: tuple[float, float]
    blurred: float
    smoothed: float
    smoothing: tuple[float, float]
    bond_share: float
    least_distance: float
    weakest_peak: float
    tracing: Mapping[str, Any]
    loose: float
    match_radius: float
    features: Mapping[str, Any]
    refiner: str | None = None
    data_set: str | None = None

    @property
    def volumes_key(self) -> str:
        """Hash of what the reconstructions depend on."""
        blur = [list(self.psf_sigma), self.blurred]
        samples = [dict(self.simulation), self.seed] if self.data_set is None else [DataSet(self.data_set).plan.digest]
        return _digest([*samples, dict(self.reconstruction), blur])

    @property
    def key(self) -> str:
        """Hash of what the traced particles depend on, the content of the refiner's weights included."""
        peaks = [self.bond_share, self.least_distance, self.weakest_peak, dict(self.tracing), self.loose]
        rest = [self.smoothed, list(self.smoothing), peaks, self.match_radius, dict(self.features)]
        weights = None if self.refiner is None else sha256(_existing(self.refiner).read_bytes()).hexdigest()
        return _digest([self.volumes_key, rest, weights])


class TracedClassifierData(ClassifierData):
    """`ClassifierData` that makes its particles first.

    Parameters
    ----------
    cache : folder of the caches.
    workers : processes that fill it; 1 works in this process.
    recipe : options of `Recipe`.
    others : of `ClassifierData`, without `folder`.
    """

    def __init__(self, cache: str | Path, workers: int, recipe: Mapping[str, Any], **others: Any) -> None:
        self.recipe = Recipe(**recipe)
        self.cache = Path(cache)
        self.workers = workers
        super().__init__(folder=self.cache / f"traced-{self.recipe.key}", **others)

    def prepare_data(self) -> None:
        """Make the particles that are not in the cache."""
        make_particles(self.recipe, self.cache, self.folder, self.splits, self.workers)

    def describe(self) -> dict[str, Any]:
        """Plain values for the card of the weights."""
        recipe = {key: value for key, value in asdict(self.recipe).items() if key not in ("features", "refiner")}
        return {**super().describe(), "recipe": {**recipe, "refined": self.recipe.refiner is not None}}


def make_particles(recipe: Recipe, cache: Path, folder: Path, splits: Mapping[str, int], workers: int = 1) -> None:
    """Write the missing particles of `splits` (number by name) below `folder`, with reconstructions below `cache`."""
    wanted = [(split, number) for split, count in splits.items() for number in range(count)]
    missing = [job for job in wanted if not _is_complete(folder, *job, recipe)]
    if not missing:
        return
    ends = accumulate(splits.values(), initial=0)
    starts = {
        split: place * SPLIT_STRIDE if recipe.data_set is None else end
        for place, (split, end) in enumerate(zip(splits, ends, strict=False))
    }
    make = partial(make_particle, recipe, cache, folder)
    jobs: list[Callable[[], None]] = [partial(make, split, number, starts[split] + number) for split, number in missing]
    # One thread each, or the processes fight for the cores.
    pool = (
        ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
        if workers > 1
        else nullcontext()
    )
    with progress_bar("traced particles", len(jobs)) as bar, pool as executor:
        if executor is None:
            for job in jobs:
                job()
                bar.advance()
        else:
            for done in as_completed([executor.submit(job) for job in jobs]):
                done.result()
                bar.advance()


def make_particle(recipe: Recipe, cache: Path, folder: Path, split: str, number: int, index: int) -> None:
    """Write one particle of `split`, sample `index`: a file for the raw volume and one for the refined, if asked."""
    sample = sample_source(recipe.simulation, recipe.seed, recipe.data_set)(index)
    raw = reconstructed(sample, recipe, cache / f"volumes-{recipe.volumes_key}" / f"{index:08d}.h5", index)
    volumes = {"raw": raw}
    if recipe.refiner is not None:
        from pann.refiner import Refiner  # seconds to import, and only needed here

        volumes["refined"] = Refiner.load(recipe.refiner)(raw, sample.series)
    rng = generator(recipe.seed, "augmentation", index)
    loose, smoothed, sigma = rng.random() < recipe.loose, rng.random() < recipe.smoothed, rng.uniform(*recipe.smoothing)
    for source, volume in volumes.items():
        if split == "train" and source == "raw" and smoothed:
            volume = volume.replace(values=gaussian_filter(volume.values, sigma / volume.voxel_size))
        particle = label_traced(volume, sample, recipe, split == "train" and loose, source)
        write_particle(_path(folder, split, number, source), particle)


def reconstructed(sample: Sample, recipe: Recipe, path: Path, index: int) -> Volume:
    """The reconstruction of `sample` number `index`, from `path` if it is there; kept in half precision."""
    if path.is_file():
        return read_volume(path)
    rng = generator(recipe.seed, "reconstruction", index)
    sigma = float(rng.uniform(*recipe.psf_sigma))
    psf = None if rng.random() < recipe.blurred else PointSpread((sigma,))
    volume = reconstruct(sample.series, psf=psf, progress=False, **recipe.reconstruction)
    write_volume(path, volume.replace(values=volume.values.astype(np.float16)))
    return read_volume(path)


def label_traced(volume: Volume, sample: Sample, recipe: Recipe, loose: bool, source: str) -> TracedParticle:
    """Trace `volume` and label every peak by the true atom it belongs to."""
    truth = sample.truth
    elements = tuple(int(number) for number in np.unique(truth.numbers))
    powers = scattering_powers(elements)
    options = {
        "min_distance": max(recipe.least_distance, recipe.bond_share * shortest_bond(elements)),
        "least_share": recipe.weakest_peak * float(powers.min() / powers.max()),
        **recipe.tracing,
    }
    found = trace(volume, **options)
    if loose:
        found = trace(volume, **{**options, "threshold": found.metadata["threshold"] / 2})
    if len(found) < _MIN_ATOMS:
        # A series too dark for its atoms to be seen at all teaches with the true positions.
        found = AtomicModel(truth.positions)
    pairs = match(found.positions, truth.positions, recipe.match_radius)
    labels = np.full(len(found), NOT_AN_ATOM, dtype=np.int64)
    labels[pairs[:, 0]] = truth.numbers[pairs[:, 1]]
    features = describe_atoms(volume, found, FeatureConfig.from_dict(dict(recipe.features)))
    return TracedParticle(features, labels, elements, len(truth), float(sample.series.dose or np.nan), source)


def _is_complete(folder: Path, split: str, number: int, recipe: Recipe) -> bool:
    sources = ("raw",) if recipe.refiner is None else ("raw", "refined")
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
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]
