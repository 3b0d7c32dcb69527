"""Reading a volume twice: what the network finds first says which weak reflections of the volume are its lattice's."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import Volume
from pann.core.progress import progress_bar
from pann.refiner.canonical import PooledCube
from pann.refiner.lattice import bragg_filtered, periodic_part
from pann.refiner.mirrors import mean_over_mirrors
from pann.refiner.net import STRIDE, RefinerNet
from pann.refiner.patches import PatchSource
from pann.refiner.target import PRESENCE


def read_volume(
    net: RefinerNet,
    channels: NDArray[np.float32],
    voxel_size: float,
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    *,
    readings: int,
    flips: int,
    tile: int,
    margin: int,
    progress: bool = False,
) -> NDArray[np.float32]:
    """The last of `readings` answers of `net`, the mean over `flips` mirror images.

    The answers before it, which only guide the filter of the lattice, are those to the volume as it is.

    Parameters
    ----------
    channels : (2, nx, ny, nz) density and its periodic part, as the volume shows it.
    voxel_size : [Å].
    pooled, acquisition, flips, tile, margin : see `pann.refiner.mirrors.mean_over_mirrors`.
    progress : show a bar.

    Returns
    -------
    (N_ANSWERS + 1, nx, ny, nz) density, presence, and the mean square of the density.
    """
    images = readings - 1 + flips

    def ask(channels: NDArray[np.float32], flips: int) -> NDArray[np.float32]:
        options: dict[str, Any] = {"tile": tile, "margin": margin, "progress": progress and images == 1}
        return mean_over_mirrors(net, channels, pooled, acquisition, flips=flips, done=bar.advance, **options)

    with progress_bar("Refining, image by image", images, progress and images > 1) as bar:
        for _ in range(readings - 1):
            guide = ask(channels, 1)[PRESENCE]
            channels = np.stack([channels[0], bragg_filtered(Volume(channels[0], voxel_size), guide)])
        return ask(channels, flips)


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
