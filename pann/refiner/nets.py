"""Which network a set of constructor arguments belongs to."""

from collections.abc import Mapping
from typing import Any

from pann.refiner.net import GlobalLocalResUNet, RefinerNet
from pann.refiner.unet import PlainUNet


def network_of(arguments: Mapping[str, Any]) -> RefinerNet:
    """Build the network whose constructor takes `arguments`; only the plain U-Net has `channels`."""
    return PlainUNet(**arguments) if "channels" in arguments else GlobalLocalResUNet(**arguments)
