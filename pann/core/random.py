"""Random generators: every draw in PANN comes from one of these, so that a seed and an index name one sample."""

from zlib import crc32

import numpy as np


def generator(seed: int, *keys: int | str) -> np.random.Generator:
    """An independent stream for `seed` and the `keys` that name its use.

    ``generator(7, "noise", 12)`` is always the same stream, and independent of ``generator(7, "shape", 12)``
    (numpy's SeedSequence, spawn keys).
    """
    spawn_key = tuple(crc32(key.encode()) if isinstance(key, str) else int(key) for key in keys)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=spawn_key)))
