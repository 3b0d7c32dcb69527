import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from pann.training.entry import explain
from pann.training.loggers import logged_in_to_wandb
from pann.training.schema import register


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "stage= is missing: choose one of classifier, lattice, refiner"),
        (["stage=refner"], "stage=refner does not exist: did you mean refiner?"),
        (["stage=refiner", "model=refiner_tin"], "did you mean refiner_tiny"),
        (["stage=refiner", "trainer.max_stps=3"], "unknown option trainer.max_stps: did you mean trainer.max_steps"),
        (["stage=refiner", "sed=3"], "unknown option sed: did you mean seed"),
        (["stage=refiner", "data.simulation.doses=[1,2]"], "did you mean data.simulation.dose"),
        (["stage=refiner", "seed=many"], "could not be converted to Integer"),
    ],
)
def test_configuration_errors_are_one_line_that_helps(repository, arguments, expected):
    register()
    folder = str(repository / "conf")
    GlobalHydra.instance().clear()
    errors = (HydraException, OmegaConfBaseException)
    with initialize_config_dir(folder, version_base="1.3"), pytest.raises(errors) as error:
        compose("train", arguments)
    message = explain(error.value, folder, "train", arguments)
    assert expected in message
    assert "\n" not in message


def test_train_exits_with_status_2_and_one_line(repository, tmp_path):
    arguments = ["stage=refiner", f"output={tmp_path}", "logger=csv", f"resume={tmp_path / 'last.ckpt'}"]
    command = [sys.executable, str(repository / "train.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 2
    assert run.stderr.strip().splitlines()[-1].startswith("error: checkpoint")
    assert "Traceback" not in run.stderr


def test_login_is_found_in_the_environment_or_the_netrc(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not logged_in_to_wandb()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password made-up\n")
    (tmp_path / "netrc").chmod(0o600)
    assert logged_in_to_wandb()
    monkeypatch.setenv("WANDB_API_KEY", "made-up")
    assert logged_in_to_wandb()
