"""Reading a volume twice: what the network finds first says which weak reflections of the volume are its lattice's."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import Volume
from pann.refiner.lattice import bragg_filtered, periodic_part
from pann.refiner.net import STRIDE, RefinerNet
from pann.refiner.patches import PatchSource
from pann.refiner.target import PRESENCE


def in_readings(
    ask: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    channels: NDArray[np.float32],
    voxel_size: float,
    times: int,
) -> NDArray[np.float32]:
    """The last of `times` answers of a network.

    Parameters
    ----------
    ask : channels (2, nx, ny, nz) -> answer (k, nx, ny, nz), its presence at `pann.refiner.target.PRESENCE`.
    channels : density and its periodic part, as the volume shows it.
    voxel_size : [Å].
    """
    answer = ask(channels)
    for _ in range(times - 1):
        lattice = bragg_filtered(Volume(channels[0], voxel_size), guide=answer[PRESENCE])
        answer = ask(np.stack([channels[0], lattice]))
    return answer


@torch.no_grad()
def second_lattice(net: RefinerNet, source: PatchSource, device: torch.device) -> Tensor:
    """What a second reading of `source` reads as its periodic part (nx, ny, nz) float16, where its channels are kept.

    The whole volume goes through the network at once.
    """
    channels = source.channels.to(device).float()
    shape = tuple(source.shape)
    padding = [n for length in reversed(shape) for n in (0, -int(length) % STRIDE)]
    padded = torch.nn.functional.pad(channels, padding)[None].contiguous(memory_format=torch.channels_last_3d)
    place = source.pooled.place(np.zeros(3, np.int64), np.array(padded.shape[2:]))
    pooled, placed, acquisition = (
        torch.as_tensor(array, device=device)[None] for array in (source.pooled.values[None], place, source.acquisition)
    )
    presence = net(padded, pooled, placed, acquisition)[0, PRESENCE].float()
    guide = presence[tuple(slice(0, int(n)) for n in shape)]
    return periodic_part(channels[0], source.voxel_size, guide).half().to(source.channels.device)
