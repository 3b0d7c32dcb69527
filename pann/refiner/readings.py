"""Reading a volume twice: what the network finds first says which weak reflections of the volume are its lattice's."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.core import Volume
from pann.core.progress import progress_bar
from pann.refiner.canonical import PooledCube
from pann.refiner.lattice import bragg_filtered, periodic_part
from pann.refiner.mirrors import mean_over_mirrors
from pann.refiner.net import N_ANSWERS, STRIDE, RefinerNet
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
    """The mean of `readings` answers of `net`, each the mean over `flips` mirror images.

    Each answer guides the filter of the lattice for the next reading. A second reading finds much of what the first
    missed, but errs a little where the first was right: hence the mean.

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
    images = readings * flips
    total = np.zeros((N_ANSWERS + 1, *channels.shape[1:]), np.float32)
    with progress_bar("Refining, image by image", images, progress and images > 1) as bar:
        for reading in range(readings):
            answer = mean_over_mirrors(
                net,
                channels,
                pooled,
                acquisition,
                flips=flips,
                tile=tile,
                margin=margin,
                progress=progress and images == 1,
                done=bar.advance,
            )
            total += answer / np.float32(readings)
            if reading + 1 < readings:
                lattice = bragg_filtered(Volume(channels[0], voxel_size), guide=answer[PRESENCE])
                channels = np.stack([channels[0], lattice])
    return total


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
