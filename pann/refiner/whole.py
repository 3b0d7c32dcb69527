"""The answer of a network to a whole volume."""

import numpy as np
import torch
from numpy.typing import NDArray

from pann.core.progress import progress_bar
from pann.refiner.canonical import PooledCube
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.mirrors import FLIPS, flip_cube
from pann.refiner.net import N_ANSWERS, RefinerNet
from pann.refiner.target import DENSITY
from pann.refiner.tiling import refine_tiled


def answer_to(
    net: RefinerNet,
    values: NDArray[np.float32],
    voxel_size: float,
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    crystals: Crystals | None,
    *,
    flips: int,
    tile: int,
    margin: int,
    progress: bool = False,
) -> NDArray[np.float32]:
    """The mean answer of `net` to `flips` mirror images of the volume.

    What a network's own filter of the lattice lets pass is looked at anew in each image: it is not quite the mirror
    image.

    Parameters
    ----------
    values : (nx, ny, nz) normalised density.
    voxel_size : [Å].
    crystals : what `RefinerNet.crystals_of` finds in it.
    pooled, acquisition, tile, margin : see `pann.refiner.tiling.refine_tiled`.
    flips : 1 (the volume as it is) to 8.
    progress : show a bar.

    Returns
    -------
    (N_ANSWERS + 1, nx, ny, nz) density, presence, and the mean square of the density.
    """
    device = next(net.parameters()).device
    vector = torch.as_tensor(acquisition, device=device)
    total = np.zeros((N_ANSWERS + 1, *values.shape), np.float32)
    with progress_bar("Refining, image by image", flips, progress and flips > 1) as bar:
        for axes in FLIPS[:flips]:
            image = torch.as_tensor(values, device=device).flip(axes)
            seen = None if crystals is None else crystals.mirrored(axes)
            refined = refine_tiled(
                net,
                net.channels_of(image, voxel_size, vector, seen).float().cpu().numpy(),
                flip_cube(pooled, axes, values.shape),
                acquisition,
                tile=tile,
                margin=margin,
                progress=progress and flips == 1,
            )
            refined = np.flip(refined, tuple(axis + 1 for axis in axes))
            total[:N_ANSWERS] += refined
            total[N_ANSWERS] += refined[DENSITY] ** 2
            bar.advance()
    total /= flips
    return total
