"""How many atoms a volume gives up, before and after refinement."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, Volume
from pann.metrics import score
from pann.refiner.example import Example

Trace = Callable[..., AtomicModel]
"""`pann.tracing.trace` with its settings; called with the volume, and with `threshold` and `max_atoms` at times."""


def atom_scores(
    values: NDArray[np.float32],
    example: Example,
    trace: Trace,
    radius: float,
    threshold: float | Literal["auto"] = "auto",
) -> dict[str, float]:
    """Recovery, precision, F1 and RMSD [pm] of the atoms traced in `values` (nx, ny, nz), within `radius` [Å].

    `threshold` is the tracer's. `recovery_at_n` takes as many of the highest maxima as there are atoms, so that no
    threshold is involved; the RMSD is of those.
    """
    truth = AtomicModel(example.positions)
    volume = Volume(values, example.voxel_size, name=example.name)
    found = score(trace(volume, threshold=threshold), truth, radius, register=False)
    best = score(trace(volume, threshold=0.0, max_atoms=len(truth)), truth, radius, register=False)
    recovery, precision = found["recovery"], found["precision"]
    scores = {
        "recovery": recovery,
        "precision": precision,
        "f1": 2 * recovery * precision / max(recovery + precision, 1e-9),
        "recovery_at_n": best["recovery"],
    }
    if best["matched"]:
        scores["rmsd_pm"] = best["rmsd_pm"]
    return scores


def dose_label(dose: float, edges: list[float]) -> str:
    """Name of the bin of `edges` [e/Å² per projection] that holds `dose`, such as "dose_100-400"."""
    for low, high in pairwise(edges):
        if low <= dose < high:
            return f"dose_{low:g}-{high:g}"
    return "dose_other"
