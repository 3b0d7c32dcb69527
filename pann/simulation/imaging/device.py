"""Where tiers in torch compute."""

import torch

from pann.core.errors import ConfigError


def torch_device(tier: str, device: str) -> torch.device:
    """The device named `device`; ConfigError where torch does not know it or this machine has none."""
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"{tier}: device is {device!r}: expected cpu, cuda or cuda:N") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{tier}: device is {device!r} but torch finds no GPU here: set device=cpu")
    return chosen
