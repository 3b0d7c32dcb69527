"""The predecessor, to compare with: a plain 3D U-Net on the reconstruction alone."""

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import Tensor
from torch.nn.functional import softplus

from pann.refiner.net import INPUT_PEAK, N_ANSWERS, SHARPNESS, STRIDE, RefinerNet


class PlainUNet(RefinerNet):
    """3D U-Net on Gaussian-atom targets, as Lee, Jeong and Yang used it (npj Comput. Mater. 7, 8 (2021)).

    It reads the density of a patch as the `GlobalLocalResUNet` does, and nothing of the whole particle, of its lattice
    or of the acquisition.

    Parameters
    ----------
    channels : at each resolution, from half the full one down.
    global_size : edge of the pooled cube, which it ignores.

    Raises
    ------
    ValueError : more resolutions than `STRIDE` allows.
    """

    def __init__(self, channels: Sequence[int], global_size: int) -> None:
        super().__init__(global_size)
        if not 2 <= len(channels) <= STRIDE.bit_length():
            raise ValueError(f"channels has {len(channels)} resolutions: expected 2 to {STRIDE.bit_length()}")
        self.body = UNet(
            spatial_dims=3,
            in_channels=2,
            out_channels=N_ANSWERS,
            channels=tuple(channels),
            strides=(2,) * (len(channels) - 1),
            norm="BATCH",
        )

    def forward(self, patch: Tensor, pooled: Tensor, place: Tensor, acquisition: Tensor) -> Tensor:
        """Density and presence, (b, 2, px, py, pz), non-negative; `pooled`, `place` and `acquisition` are not read."""
        density = patch[:, :1]
        read = torch.cat([torch.log1p(density), density / INPUT_PEAK], dim=1)
        return softplus(self.body(read).float(), beta=SHARPNESS)
