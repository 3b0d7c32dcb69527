"""Traced particles for training: one HDF5 file each, and the graphs made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import Dataset, RandomSampler
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pann.classifier.features import MEASURES, AtomFeatures
from pann.classifier.graph import MAX_CANDIDATES, GraphConfig, build_graph, candidate_fields
from pann.classifier.kmeans import global_clusters, local_clusters, mixture_shares
from pann.classifier.mixture import tied_mixture
from pann.classifier.scattering import scattering_powers
from pann.core.errors import InputError
from pann.core.files import atomic_path
from pann.core.random import generator

NOT_AN_ATOM = 0
"""Label of a traced peak that is no atom, in files; the class MAX_CANDIDATES in graphs."""
SPLITS_OF = {"validate": ("validation",), "test": ("test",)}
"""Splits that a stage of the trainer needs; the others need all."""
BASELINES = ("kmeans", "local_kmeans", "mixture", "scattering")
_LOCAL_RADIUS = 10.0
_COMMON_METALS = (13, 14, 22, 26, 27, 28, 29, 42, 44, 45, 46, 47, 72, 73, 74, 77, 78, 79)


@dataclass(frozen=True, eq=False)
class TracedParticle:
    """A particle after tracing, labelled by the truth.

    Attributes
    ----------
    features : of every traced peak.
    labels : (n,) int64 atomic number of the true atom that a peak was matched with, NOT_AN_ATOM where there is none.
    elements : atomic numbers the particle is made of.
    n_true : atoms of the truth, found or not.
    dose : [e/Å² per projection].
    source : where the atoms were traced, "raw" for the reconstruction, "refined" for the refiner's volume.
    """

    features: AtomFeatures
    labels: NDArray[np.int64]
    elements: tuple[int, ...]
    n_true: int
    dose: float
    source: str = "raw"


def write_particle(path: Path, particle: TracedParticle) -> None:
    """Write one particle to `path` (.h5)."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["positions"] = particle.features.positions
        file["values"] = particle.features.values
        file["log_intensities"] = particle.features.log_intensities
        file["labels"] = particle.labels
        file["elements"] = np.array(particle.elements, dtype=np.int64)
        file.attrs.update(n_true=particle.n_true, dose=particle.dose, source=particle.source)


def read_particle(path: Path) -> TracedParticle:
    """Read a file of `write_particle`; raises InputError where it is damaged."""
    try:
        with h5py.File(path) as file:
            features = AtomFeatures(file["positions"][:], file["values"][:], file["log_intensities"][:])
            elements = tuple(int(number) for number in file["elements"][:])
            attributes = dict(file.attrs)
            labels = file["labels"][:]
    except (OSError, KeyError) as error:
        raise InputError(f"traced particle {path} cannot be read ({error}): delete it, it is made again") from error
    return TracedParticle(
        features, labels, elements, int(attributes["n_true"]), float(attributes["dose"]), str(attributes["source"])
    )


class GraphData(Dataset[Data]):
    """Graphs of traced particles with labels.

    Parameters
    ----------
    particles : the examples.
    graph : neighbourhood.
    augment : probability that one or two candidates which the particle does not contain are offered as well. None takes
        the true elements as they are and adds the baselines' answers.
    seed : of the augmentation.
    """

    def __init__(
        self, particles: Sequence[TracedParticle], graph: GraphConfig, augment: float | None, seed: int = 0
    ) -> None:
        self._particles = list(particles)
        self._graph = graph
        self._augment = augment
        self._seed = seed
        self._draws = 0
        self.graphs = [self._with_truth(particle) for particle in self._particles]

    def __len__(self) -> int:
        return len(self._particles)

    def __getitem__(self, index: int) -> Data:
        data = self.graphs[index]
        if self._augment is None:
            return data
        rng = generator(self._seed, "candidates", index, self._draws)
        self._draws += 1
        if rng.random() >= self._augment:
            return data
        particle = self._particles[index]
        others = [number for number in _COMMON_METALS if number not in particle.elements]
        room = MAX_CANDIDATES - len(particle.elements)
        added = rng.choice(others, size=min(int(rng.integers(1, 3)), room), replace=False)
        candidates = rng.permutation([*particle.elements, *added]).tolist()
        fields = candidate_fields(particle.features, candidates, scattering_powers(candidates))
        return data.clone().update({**fields, "y": class_labels(particle.labels, candidates)})

    def _with_truth(self, particle: TracedParticle) -> Data:
        elements = particle.elements
        data = build_graph(particle.features, elements, scattering_powers(elements), self._graph)
        data.y = class_labels(particle.labels, elements)
        data.n_true = torch.tensor([particle.n_true])
        data.dose = torch.tensor([particle.dose])
        if self._augment is None:
            for name, answer in baseline_labels(particle).items():
                data[name] = torch.from_numpy(answer)
        return data


def class_labels(labels: NDArray[np.int64], candidates: Sequence[int]) -> torch.Tensor:
    """Class (n,) of each atomic number in `labels`: its place in `candidates`, or MAX_CANDIDATES where no atom is."""
    classes = np.full(len(labels), MAX_CANDIDATES, dtype=np.int64)
    for place, number in enumerate(candidates):
        classes[labels == number] = place
    return torch.from_numpy(classes)


def baseline_labels(particle: TracedParticle) -> dict[str, NDArray[np.int64]]:
    """Class of each atom by each of BASELINES, as a place in `particle.elements`.

    They read the integrated intensity in the reconstruction, as the field does.
    """
    log_intensity = particle.features.log_intensities[:, MEASURES.index("raw")].astype(np.float64)
    intensities = np.exp(log_intensity)
    powers = scattering_powers(particle.elements)
    by_power = np.argsort(powers)
    clusters = global_clusters(intensities, len(by_power))
    answers = (
        by_power[clusters],
        by_power[local_clusters(particle.features.positions, intensities, clusters, _LOCAL_RADIUS)],
        by_power[mixture_shares(intensities, len(by_power)).argmax(1)],
        tied_mixture(log_intensity, np.log(powers)).log_posterior[:, :-1].argmax(1),
    )
    return dict(zip(BASELINES, answers, strict=True))


class ClassifierData(LightningDataModule):
    """Graphs of traced particles from a folder of files.

    Parameters
    ----------
    splits : particles in the train, validation and test split, which are folders of these names.
    graph : see `GraphConfig`.
    batch_size : particles.
    steps_per_epoch : batches drawn, with repetition, for one epoch.
    augment : see `GraphData`.
    seed : of the augmentation.
    folder : of the splits. Files are named ``<number>.<source>.h5``; those of one number are one particle.
    more : further such folders, with their splits.
    """

    def __init__(
        self,
        splits: Mapping[str, int],
        graph: Mapping[str, Any],
        batch_size: int,
        steps_per_epoch: int,
        augment: float,
        seed: int,
        folder: str | Path,
        more: Mapping[Path, Mapping[str, int]] | None = None,
    ) -> None:
        super().__init__()
        self.splits = dict(splits)
        self.graph = GraphConfig(**graph)
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.augment = augment
        self.seed = seed
        self.folder = Path(folder)
        self._folders = {self.folder: self.splits, **(more or {})}
        self._sets: dict[str, GraphData] = {}
        self._sources: dict[str, int] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read what `stage` needs and is not yet there."""
        for split in SPLITS_OF.get(stage or "fit", tuple(self.splits)):
            if split in self._sets:
                continue
            parts = [_particles(folder / split, splits.get(split, 0)) for folder, splits in self._folders.items()]
            particles = [particle for part in parts for particle in part]
            for particle in particles:
                self._sources[particle.source] = self._sources.get(particle.source, 0) + 1
            self._sets[split] = GraphData(particles, self.graph, self.augment if split == "train" else None, self.seed)

    def statistics(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation (n_features,) of the features of the training atoms."""
        values = torch.cat([data.x for data in self._sets["train"].graphs])
        return values.mean(0), values.std(0).clamp_min(1e-3)

    def describe(self) -> dict[str, Any]:
        """Plain values for the card of the weights."""
        return {"particles": self.splits, "volumes": self._sources, "seed": self.seed, "augment": self.augment}

    def train_dataloader(self) -> DataLoader:
        """Random particles."""
        train = self._sets["train"]
        draws = RandomSampler(train, replacement=True, num_samples=self.steps_per_epoch * self.batch_size)
        return DataLoader(train, batch_size=self.batch_size, sampler=draws)

    def val_dataloader(self) -> DataLoader:
        """Validation particles, in order."""
        return DataLoader(self._sets["validation"], batch_size=self.batch_size)

    def test_dataloader(self) -> DataLoader:
        """Test particles, in order."""
        return DataLoader(self._sets["test"], batch_size=self.batch_size)


def _particles(folder: Path, count: int) -> list[TracedParticle]:
    """The first `count` particles in `folder`, from every volume in which they were traced."""
    paths = [path for path in sorted(folder.glob("*.h5")) if _number(path) < count]
    if len({_number(path) for path in paths}) < count:
        raise InputError(f"{folder} holds fewer than {count} traced particles: make more")
    return [read_particle(path) for path in paths]


def _number(path: Path) -> int:
    return int(path.name.split(".")[0])
