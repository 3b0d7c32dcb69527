"""Experiment loggers that need more than a constructor call."""

import os
from netrc import NetrcParseError, netrc
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.loggers import WandbLogger

WANDB_HOST = "api.wandb.ai"


def logged_in_to_wandb() -> bool:
    """Whether a W&B key is configured on this machine, by environment or by `wandb login`."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    if not path.is_file():
        return False
    try:
        return netrc(path).authenticators(WANDB_HOST) is not None
    except (NetrcParseError, OSError):
        return False


def sweep_labels(group: str) -> tuple[str, str | None]:
    """Group and name of this run in W&B: the runs of a Hydra sweep share the group and are named by what differs.

    Outside a sweep they are `group` and None, which leaves the name to W&B.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return group, None
    hydra = HydraConfig.get()
    # A sweep is named by its folder, in which every job has one of its own.
    return f"{group}/{Path(hydra.runtime.output_dir).parent.name}", str(hydra.job.override_dirname)


def wandb_logger(save_dir: str, project: str, group: str) -> WandbLogger:
    """A W&B logger writing to `save_dir`; it records offline (`wandb sync` uploads later) unless logged in.

    The runs of a sweep form a group of their own within `group`, see `sweep_labels`.
    """
    group, name = sweep_labels(group)
    return WandbLogger(name, save_dir, project=project, group=group, offline=not logged_in_to_wandb())
