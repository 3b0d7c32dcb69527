"""The training configuration as it is composed, without running it."""

from importlib.util import find_spec

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from pann.training.schema import register


@pytest.fixture
def composed(repository):
    def made(*overrides, folder=repository / "conf"):
        register()
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(folder), version_base="1.3"):
            return compose("train", list(overrides), return_hydra_config=True)

    return made


def test_a_stage_can_set_keys_of_the_trainer_the_callbacks_and_the_logger(composed, repository, tmp_path):
    for path in (repository / "conf").rglob("*.yaml"):
        copy = tmp_path / path.relative_to(repository / "conf")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    stage = tmp_path / "stage" / "refiner.yaml"
    own = "trainer: {max_steps: 7}\ncallbacks: {ema: {decay: 0.5}}\nlogger: {wandb: {project: other}}\n"
    stage.write_text(stage.read_text() + own)
    cfg = composed("stage=refiner", folder=tmp_path)
    assert cfg.trainer.max_steps == 7
    assert cfg.trainer.log_every_n_steps == 20
    assert cfg.callbacks.ema.decay == 0.5
    assert cfg.logger.wandb.project == "other"
    assert composed("stage=refiner", "trainer.max_steps=9", folder=tmp_path).trainer.max_steps == 9


@pytest.mark.skipif(find_spec("submitit") is None, reason="needs the extra slurm")
def test_sweeps_go_to_slurm(composed):
    gpus = ["hydra.launcher.partition=gpu", "hydra.launcher.gpus_per_node=2", "hydra.launcher.tasks_per_node=2"]
    cfg = composed("stage=refiner", "hydra/launcher=submitit_slurm", "trainer.devices=2", *gpus)
    launcher = Plugins.instance()._instantiate(cfg.hydra.launcher)
    assert isinstance(launcher, Launcher)
    assert (launcher.params["partition"], launcher.params["tasks_per_node"]) == ("gpu", 2)
