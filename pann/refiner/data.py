"""The data of stage 1: simulated particles, their reconstructions, patches of them."""

from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.utilities import CombinedLoader
from torch.utils.data import DataLoader, Dataset

from pann.core import ConfigError
from pann.refiner.cache import cache_folder, fill_cache, read_example, recipe
from pann.refiner.example import Prepared
from pann.refiner.net import STRIDE
from pann.refiner.patches import Curriculum, Look, PatchDataset, PatchSource, batch_of
from pann.refiner.sampler import StepLoader, StepSampler
from pann.refiner.stream import BackgroundFill

SPLITS = ("train", "validation", "test")


class WholeSamples(Dataset[Prepared]):
    """Whole prepared examples, one at a time, again from the first after the last."""

    def __init__(self, examples: list[Prepared]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Prepared:
        return self.examples[index % len(self.examples)]


class RefinerData(LightningDataModule):
    """Simulates (once, in `cache`), prepares and serves the samples.

    Parameters
    ----------
    cache : folder of the simulated samples.
    seed : of the first split; each split has a seed of its own, so that no sample is in two of them.
    splits : number of samples in train, validation and test.
    simulation : see `pann.simulation.config.SimulationConfig`.
    data_set : folder of a data set whose samples are taken instead, split after split; None simulates.
    reconstruction : what is drawn for each sample, see `pann.refiner.cache.draw_reconstruction`.
    voxel_size : canonical voxel [Å].
    sigma : width of the Gaussian atoms in the target [Å].
    global_size : edge of the pooled cube that the network reads.
    patch : edge of a patch [voxels], a multiple of `STRIDE`.
    batch_size, steps_per_epoch : patches in a step of one process, steps between two validations.
    batch_seed : of the draw of patches.
    on_particle : share of patches near an atom.
    curriculum : `dose` and `patches` of `pann.refiner.patches.Curriculum`; None for none.
    workers : processes that fill the cache.
    crystals : look for the crystals of the samples then, too, not when each is first drawn.
    start : train as soon as so many samples are there, while the rest are made; they join at the next epoch (with
        trainer.reload_dataloaders_every_n_epochs=1). None waits for all, so that a run can be repeated exactly.
    resident : GiB of volumes that are kept where the network trains; the others are sent patch by patch.

    Attributes
    ----------
    look : finds the channels of a sample when it is first drawn; None takes those of the cache.
    """

    def __init__(
        self,
        *,
        cache: str,
        seed: int,
        splits: Mapping[str, int],
        simulation: Mapping[str, Any],
        reconstruction: Mapping[str, Any],
        voxel_size: float,
        sigma: float,
        global_size: int,
        patch: int,
        batch_size: int,
        steps_per_epoch: int,
        batch_seed: int,
        on_particle: float,
        workers: int,
        crystals: bool = False,
        start: int | None = None,
        resident: float = 8.0,
        data_set: str | None = None,
        curriculum: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if patch % STRIDE:
            raise ConfigError(f"data.patch is {patch}: expected a multiple of {STRIDE} voxels")
        if set(splits) != set(SPLITS) or min(splits.values()) < 1:
            raise ConfigError(
                f"data.splits is {dict(splits)}: give a number above zero for each of {', '.join(SPLITS)}"
            )
        self.cache = cache
        self.counts = {split: int(splits[split]) for split in SPLITS}
        self.plan = recipe(simulation, reconstruction, voxel_size, data_set)
        # A split has a seed of its own; of a data set, which has one seed, it takes the samples after the last split's.
        self.seeds = {split: seed + k if data_set is None else seed for k, split in enumerate(SPLITS)}
        ends = accumulate(self.counts.values(), initial=0)
        self.firsts = {split: 0 if data_set is None else end for split, end in zip(SPLITS, ends, strict=False)}
        self.sigma = sigma
        self.prepare = partial(Prepared.of, sigma=sigma, global_size=global_size)
        self.patch = patch
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.batch_seed = batch_seed
        self.on_particle = on_particle
        self.workers = workers
        self.crystals = crystals
        self.start = start
        self.resident = resident
        self.curriculum = None if curriculum is None else Curriculum(curriculum["dose"], int(curriculum["patches"]))
        self.look: Look | None = None
        self.examples: dict[str, list[Prepared]] = {}
        self._sources: list[PatchSource] = []
        self._background: BackgroundFill | None = None

    @property
    def folder(self) -> Path:
        """Where the simulated samples are."""
        return cache_folder(self.cache, self.plan)

    def prepare_data(self) -> None:
        """Simulate what the cache lacks of the splits that are needed (one process of a node does)."""
        stage = None if self.trainer is None else self.trainer.state.fn
        for split in self._splits("fit" if stage is None else stage.value):
            self._filled(split)

    @staticmethod
    def _splits(stage: str) -> tuple[str, ...]:
        """The splits that a stage of the trainer needs: "fit", "validate", "test"; training is followed by a test."""
        return {"validate": ("validation",), "test": ("test",)}.get(stage, SPLITS)

    def _filled(self, split: str) -> list[Path]:
        seed, count, first = self.seeds[split], self.counts[split], self.firsts[split]
        if split == "train" and self.start is not None:
            count = min(count, self.start)
        return fill_cache(self.plan, self.folder, seed, count, self.workers, first, self.crystals)

    def _fill_behind(self) -> BackgroundFill:
        """Make the training samples that were not waited for."""
        if self.trainer is not None and self.trainer.world_size > 1:
            raise ConfigError(f"data.start={self.start}: only a single process trains while samples are made; set null")
        first, count = self.firsts["train"] + len(self.examples["train"]), self.counts["train"]

        def take(path: Path) -> None:
            self.examples["train"].append(self.prepare(read_example(path)))

        left = count - len(self.examples["train"])
        wanted = self.seeds["train"], left, self.workers, first, self.crystals
        return BackgroundFill(self.plan, self.folder, *wanted, take)

    def setup(self, stage: str) -> None:
        """Load the splits that `stage` (fit, test, ...) needs."""
        for split in self._splits(stage):
            if split not in self.examples and not (stage == "fit" and split == "test"):
                self.examples[split] = [self.prepare(read_example(path)) for path in self._filled(split)]
        if stage == "fit" and self._background is None and len(self.examples["train"]) < self.counts["train"]:
            self._background = self._fill_behind()

    def teardown(self, stage: str) -> None:
        """Make no further samples once the training is over."""
        if stage == "fit" and self._background is not None:
            self._background.close()
            self._background = None

    def train_dataloader(self) -> CombinedLoader:
        """Random patches, and beside each batch one whole sample, which costs nothing unless it is used."""
        length = self.batch_size * self.steps_per_epoch
        if self._background is not None:
            self._background.check()
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        patches = PatchDataset(
            self._sources_on(device),
            seed=self.batch_seed,
            patch=self.patch,
            length=length,
            on_particle=self.on_particle,
            curriculum=self.curriculum,
        )
        loaders = {
            "patches": StepLoader(
                patches,
                batch_size=self.batch_size,
                sampler=self._sampler(self.batch_size),
                collate_fn=partial(batch_of, size=self.patch, device=device),
            ),
            "whole": StepLoader(WholeSamples(self.examples["train"]), batch_size=None, sampler=self._sampler(1)),
        }
        return CombinedLoader(loaders, "max_size_cycle")

    def _sources_on(self, device: torch.device) -> list[PatchSource]:
        """The sources of all training samples that are there; the first of them on `device`, see `resident`."""
        kept = sum(source.size for source in self._sources)
        for prepared in self.examples["train"][len(self._sources) :]:
            place = device if kept < self.resident * 2**30 else torch.device("cpu")
            self._sources.append(PatchSource.of(prepared, place, self.look))
            kept += self._sources[-1].size
        return self._sources

    def _sampler(self, batch_size: int) -> StepSampler:
        return StepSampler.of(self.trainer, self.steps_per_epoch, batch_size)

    def val_dataloader(self) -> DataLoader[Prepared]:
        """Whole validation samples."""
        return DataLoader(WholeSamples(self.examples["validation"]), batch_size=None)

    def test_dataloader(self) -> DataLoader[Prepared]:
        """Whole test samples."""
        return DataLoader(WholeSamples(self.examples["test"]), batch_size=None)

    def describe(self) -> dict[str, Any]:
        """What the data are, for the card of the weights."""
        doses = [prepared.example.dose for prepared in self.examples.get("train", [])]
        atoms = [len(prepared.example.positions) for prepared in self.examples.get("train", [])]
        return {
            "recipe": self.plan,
            "sigma": self.sigma,
            "seeds": self.seeds,
            "samples": {**self.counts, "train": len(self.examples.get("train", [])) or self.counts["train"]},
            "train_atoms": int(np.sum(atoms)),
            "train_dose_range": [float(np.min(doses)), float(np.max(doses))] if doses else [],
        }
