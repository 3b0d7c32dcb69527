from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from pann.training.loggers import sweep_labels, wandb_logger
from pann.training.schema import register


@pytest.fixture
def job(repository):
    """Put Hydra into the state of a job with these overrides, of a sweep or alone."""

    def enter(*overrides: str, mode: str = "MULTIRUN", folder: str = "/somewhere/widths/0") -> None:
        register()
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
            cfg = compose("train", [*overrides, f"hydra.mode={mode}"], return_hydra_config=True)
        with open_dict(cfg):
            cfg.hydra.runtime.output_dir = folder
        HydraConfig.instance().set_config(cfg)

    yield enter
    HydraConfig.instance().cfg = None


def test_runs_of_a_sweep_share_a_group_and_are_named_by_their_overrides(job):
    job("stage=refiner", "model.width=16", "seed=2", "output=/somewhere/widths", "logger=csv")
    assert sweep_labels("refiner") == ("refiner/widths", "model.width=16,seed=2")
    job("stage=refiner", "model.width=32", "seed=2", folder="/somewhere/widths/1")
    assert sweep_labels("refiner") == ("refiner/widths", "model.width=32,seed=2")


def test_a_single_run_belongs_to_its_stage(job):
    assert sweep_labels("refiner") == ("refiner", None)
    job("stage=refiner", mode="RUN", folder="/somewhere/alone")
    assert sweep_labels("refiner") == ("refiner", None)


def test_the_logger_takes_the_labels_without_a_network(job, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    job("stage=refiner", "model.width=16")
    run = wandb_logger(str(tmp_path), "pann", "refiner").experiment
    assert (run.group, run.name) == ("refiner/widths", "model.width=16")
    assert run.offline
    run.finish()
    assert Path(tmp_path / "wandb").is_dir()
