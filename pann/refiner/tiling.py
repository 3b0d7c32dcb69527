"""Applying the network to a volume of any size with bounded memory."""

from collections.abc import Iterator
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
    values: NDArray[np.float32],
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    *,
    tile: int,
    margin: int,
    progress: bool = False,
) -> NDArray[np.float32]:
    """The network's answer for a whole normalised volume, (nx, ny, nz), tile by tile.

    Each tile of edge `tile` keeps its core and drops a `margin` on every side, whose voxels saw the cut. Tiles lie on a
    grid of `STRIDE` voxels, so the network folds the same voxels together wherever a tile begins. The volume is
    surrounded by zeros, as it is by vacuum.
    """
    core = max(tile - 2 * margin, STRIDE) // STRIDE * STRIDE
    margin = -(-margin // STRIDE) * STRIDE
    padding = [(margin, margin + (-n) % STRIDE) for n in values.shape]
    padded = np.pad(values, padding)
    out = np.zeros([n - 2 * margin for n in padded.shape], dtype=np.float32)
    device = next(net.parameters()).device
    cube = torch.as_tensor(pooled.values, device=device)[None, None]
    vector = torch.as_tensor(acquisition, device=device)[None]
    starts = list(_starts(out.shape, core))
    with torch.inference_mode(), progress_bar("Refining", len(starts), progress and len(starts) > 1) as bar:
        for start in starts:
            stop = tuple(min(s + core, n) for s, n in zip(start, out.shape, strict=True))
            box = tuple(slice(a, b + 2 * margin) for a, b in zip(start, stop, strict=True))
            place = pooled.place(np.array(start) - margin, np.array(stop) + margin)
            refined = _call(net, padded[box], cube, torch.as_tensor(place, device=device)[None], vector)
            inner = tuple(slice(margin, margin + b - a) for a, b in zip(start, stop, strict=True))
            out[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = refined[inner].cpu().numpy()
            bar.advance()
    return out[tuple(slice(0, n) for n in values.shape)]


def _starts(shape: tuple[int, ...], core: int) -> Iterator[tuple[int, ...]]:
    return product(*(range(0, n, core) for n in shape))


def _call(net: nn.Module, patch: NDArray[np.float32], cube: Tensor, place: Tensor, vector: Tensor) -> Tensor:
    x = torch.as_tensor(patch, device=cube.device)[None, None].contiguous(memory_format=torch.channels_last_3d)
    out: Tensor = net(x, cube, place, vector)
    return out[0, 0].float()
