"""The answer of a network to a whole volume."""

import numpy as np
import torch
from numpy.typing import NDArray

from pann.core.progress import progress_bar
from pann.refiner.canonical import PooledCube
from pann.refiner.mirrors import mean_over_mirrors
from pann.refiner.net import RefinerNet


def answer_to(
    net: RefinerNet,
    values: NDArray[np.float32],
    voxel_size: float,
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    *,
    flips: int,
    tile: int,
    margin: int,
    progress: bool = False,
) -> NDArray[np.float32]:
    """The mean answer of `net` to `flips` mirror images of the volume.

    Parameters
    ----------
    values : (nx, ny, nz) normalised density.
    voxel_size : [Å].
    pooled, acquisition, flips, tile, margin : see `pann.refiner.mirrors.mean_over_mirrors`.
    progress : show a bar.

    Returns
    -------
    (N_ANSWERS + 1, nx, ny, nz) density, presence, and the mean square of the density.
    """
    device = next(net.parameters()).device
    channels = net.channels_of(
        torch.as_tensor(values, device=device), voxel_size, torch.as_tensor(acquisition, device=device)
    )
    with progress_bar("Refining, image by image", flips, progress and flips > 1) as bar:
        return mean_over_mirrors(
            net,
            channels.float().cpu().numpy(),
            pooled,
            acquisition,
            flips=flips,
            tile=tile,
            margin=margin,
            progress=progress and flips == 1,
            done=bar.advance,
        )
