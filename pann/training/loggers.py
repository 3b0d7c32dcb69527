"""Experiment loggers that need more than a constructor call."""

import os
from netrc import NetrcParseError, netrc
from pathlib import Path

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


def wandb_logger(save_dir: str, project: str, group: str) -> WandbLogger:
    """A W&B logger writing to `save_dir`; it records offline (`wandb sync` uploads later) unless logged in."""
    return WandbLogger(project=project, group=group, save_dir=save_dir, offline=not logged_in_to_wandb())
