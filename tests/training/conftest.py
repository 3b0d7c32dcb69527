from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from pann.training.schema import register

SHRUNK = [
    "stage=refiner",
    "model=refiner_tiny",
    "logger=csv",
    "trainer.accelerator=cpu",
    "trainer.max_steps=4",
    "trainer.log_every_n_steps=1",
    "+trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "callbacks.progress=null",
    "scheduler.warmup_steps=1",
    "data.splits={train: 2, validation: 1, test: 1}",
    "~data.simulation.structures.held_out",
    "+data.simulation.structures.small={sites: {kind: crystal, lattice: fcc}, n_atoms: [20, 25]}",
    "+data.simulation.structures.small.chemistry={kind: random, elements: [Pt, Ni]}",
    "data.simulation.tilts.wide.n_tilts=9",
    "~data.simulation.noise.experimental",
    "data.simulation.noise.mild.defocus.on=false",  # kernels out of focus take seconds to compute
    "data.simulation.margin=2.0",
    "data.simulation.pixel_size=[0.5, 0.5]",
    "data.reconstruction.iterations={poisson: [2, 2], resire: [2, 2], sirt: [2, 2]}",
    "data.patch=16",
    "data.steps_per_epoch=2",
    "task.tile=96",
    "task.margin=4",
]
"""What makes the real configuration small: nothing else differs in a test."""

LIGHTNING_WARNINGS = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning"),  # Lightning 2.6 with torch 2.13
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Experiment logs directory"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]
"""Marks of tests that train: what Lightning says of tiny runs on its own account."""


@pytest.fixture
def configuration(repository: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path):
    """Compose the real training configuration, shrunk, with further overrides; the runs of a test share one cache."""
    register()
    cache = tmp_path_factory.getbasetemp() / "refiner-cache"

    def made(*overrides: str, output: str = "run", shrunk: list[str] = SHRUNK) -> DictConfig:
        GlobalHydra.instance().clear()
        own = [f"output={tmp_path / output}", f"data.cache={cache}"]
        with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
            return compose("train", [*shrunk, *own, *overrides])

    return made
