"""Refined volumes of training particles, kept on disk: they cost most, and a new threshold does not change them."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from pann.core import TiltSeries, Volume
from pann.core.files import atomic_path
from pann.io import load_weights
from pann.refiner import Refiner
from pann.refiner.refine import STAGE, Refined

_NOT_IN_VOLUMES = ("presence_threshold", "position_errors", "position_errors_slope", "existence_odds")
"""Buffers of a refiner that its volumes do not depend on."""
_FORMAT = 2
"""Raised when the files hold something else, so that old ones are made anew."""
_HASH_LENGTH = 12


def volumes_hash(checkpoint: str | Path) -> str:
    """Names the volumes that the refiner at `checkpoint` makes."""
    weights = load_weights(checkpoint, STAGE)
    digest = sha256(repr([_FORMAT, *sorted(weights.model.items())]).encode())
    for name, tensor in sorted(weights.state.items()):
        if name not in _NOT_IN_VOLUMES:
            digest.update(tensor.half().numpy().tobytes())  # as they are stored
    return digest.hexdigest()[:_HASH_LENGTH]


def refined_once(checkpoint: str | Path, raw: Volume, series: TiltSeries, path: Path) -> Refined:
    """What the refiner at `checkpoint` makes of `raw`, the reconstruction of `series`.

    It comes from `path` (.npz) if that is there; both answers are kept in half precision.
    """
    refiner = Refiner.load(checkpoint)
    if not path.is_file():
        answer = refiner.refine(raw, series, progress=False)
        scale = float(answer.volume.values.max()) or 1.0  # half precision holds no small numbers
        half = [values.astype(np.float16) for values in (answer.volume.values / scale, answer.presence.values)]
        with atomic_path(path) as temporary:
            height = answer.volume.metadata["atom_height"]
            np.savez(temporary, volume=half[0], presence=half[1], scale=scale, height=height)
    with np.load(path) as file:
        density, presence = np.float32(file["scale"]) * file["volume"], file["presence"].astype(np.float32)
        height = float(file["height"])
    facts = {"atom_threshold": refiner.net.threshold, "odds": refiner.net.odds}
    volume = raw.replace(values=density, voxel_size=refiner.voxel_size, metadata=raw.metadata | {"atom_height": height})
    return Refined(volume, volume.replace(values=presence, metadata=facts), None)
