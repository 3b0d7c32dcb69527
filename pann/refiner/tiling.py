"""Applying the network to a volume of any size with bounded memory."""

from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pann.core.progress import progress_bar
from pann.refiner.canonical import PooledCube
from pann.refiner.net import STRIDE


def refine_tiled(
    net: nn.Module,
    channels: NDArray[np.float32],
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    *,
    tile: int,
    margin: int,
    progress: bool = False,
) -> NDArray[np.float32]:
    """The network's answer (k, nx, ny, nz) for the `channels` (c, nx, ny, nz) of a whole volume, tile by tile.

    A tile of edge `tile` has a core and a `margin` around it, which gives the core its surroundings. The outer half of
    the margin is dropped, since it saw the cut; over the inner half neighbouring tiles are blended linearly, with
    weights that add to one. Tiles lie on a grid of `STRIDE` voxels, so the network folds the same voxels together
    wherever a tile begins. The volume is surrounded by a rim of zeros, as it is by vacuum: a `STRIDE` wide, since each
    voxel costs as much as one of the particle.

    With a margin of twice the network's reach and more the answer does not depend on the tiles; with less, blending
    hides what is left of their edges.
    """
    margin = -(-margin // STRIDE) * STRIDE
    core = max(tile - 2 * margin, STRIDE) // STRIDE * STRIDE
    blend = min(margin, core) // 2
    rim = min(margin, STRIDE)
    shape = tuple(n + (-n) % STRIDE for n in channels.shape[1:])
    padded = np.pad(channels, [(0, 0)] + [(rim, rim + m - n) for n, m in zip(channels.shape[1:], shape, strict=True)])
    out: NDArray[np.float32] | None = None
    device = next(net.parameters()).device
    cube = torch.as_tensor(pooled.values, device=device)[None, None]
    vector = torch.as_tensor(acquisition, device=device)[None]
    starts = list(product(*(range(0, n, core) for n in shape)))
    with torch.inference_mode(), progress_bar("Refining", len(starts), progress and len(starts) > 1) as bar:
        for start in starts:
            stop = tuple(min(s + core, n) for s, n in zip(start, shape, strict=True))
            first = np.maximum(np.array(start) - margin, -rim)
            last = np.minimum(np.array(stop) + margin, np.array(shape) + rim)
            box = tuple(slice(a, b) for a, b in zip(first + rim, last + rim, strict=True))
            place = pooled.place(first, last)
            refined = _call(net, padded[(slice(None), *box)], cube, torch.as_tensor(place, device=device)[None], vector)
            low = tuple(max(a - blend, 0) for a in start)
            high = tuple(min(b + blend, n) for b, n in zip(stop, shape, strict=True))
            inner = tuple(slice(i - a, j - a) for a, i, j in zip(first, low, high, strict=True))
            share = [_ramp(a, b, n, blend) for a, b, n in zip(start, stop, shape, strict=True)]
            weights = share[0][:, None, None] * share[1][:, None] * share[2]
            if out is None:
                out = np.zeros((len(refined), *shape), dtype=np.float32)
            place_in_whole = (slice(None), *(slice(i, j) for i, j in zip(low, high, strict=True)))
            out[place_in_whole] += weights * refined[(slice(None), *inner)].cpu().numpy()
            bar.advance()
    assert out is not None  # a volume has at least one tile
    return out[(slice(None), *(slice(0, n) for n in channels.shape[1:]))]


def _ramp(start: int, stop: int, length: int, blend: int) -> NDArray[np.float32]:
    """Weights along one axis of a tile of core `start` ... `stop` and `blend` voxels beside it, inside 0 ... `length`.

    Rising over 2 `blend` voxels about `start`, falling about `stop`; those of neighbours add to one.
    """
    place = np.arange(max(start - blend, 0), min(stop + blend, length)) + 0.5
    width = max(2 * blend, 1)
    rising = np.clip((place - start) / width + 0.5, 0, 1) if start > 0 else np.ones(len(place))
    falling = np.clip((stop - place) / width + 0.5, 0, 1) if stop < length else np.ones(len(place))
    return (rising * falling).astype(np.float32)


def _call(net: nn.Module, patch: NDArray[np.float32], cube: Tensor, place: Tensor, vector: Tensor) -> Tensor:
    x = torch.as_tensor(patch, device=cube.device)[None].contiguous(memory_format=torch.channels_last_3d)
    out: Tensor = net(x, cube, place, vector)
    return out[0].float()
