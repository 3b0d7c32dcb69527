"""From the network's answer to atoms: maxima of the presence, and which of them the counts bear out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, InputError, TiltSeries, Volume
from pann.refiner.odds import LOWEST_CANDIDATE, Odds, peer_evidence
from pann.refiner.refine import Refined
from pann.refiner.thresholds import peak_heights
from pann.refiner.weigh import weigh
from pann.tracing import integrated_intensities, trace


def refined_threshold(presence: Volume) -> float:
    """Threshold with which to trace the `presence` that a `Refiner` gave: hardly any of the noise is left in it from
    which a tracer tells its own, but validation showed how high the peaks of atoms are.
    """
    if "atom_threshold" not in presence.metadata:
        raise InputError(f"{presence.name}: not a volume that the refiner made, trace it with threshold=auto")
    return float(presence.metadata["atom_threshold"])


def least_odds(refined: Refined, share: float) -> float:
    """The ln odds of a peak of `share` of the threshold, if the counts left one at the threshold at even odds."""
    odds: Odds = refined.presence.metadata["odds"]
    return odds.loosened(refined_threshold(refined.presence), share)


def trace_refined(refined: Refined, **tracing: Any) -> AtomicModel:
    """The atoms of `refined`: maxima of the presence, with intensities from the density, strongest first.

    Their covariance is that of atoms of the validation samples whose peaks were as high, in particles whose lattice was
    as sure (`pann.refiner.error_bars`).
    `tracing` are options of `pann.tracing.trace`; threshold "auto" takes `refined_threshold`.
    """
    if tracing.get("threshold", "auto") == "auto":
        tracing["threshold"] = refined_threshold(refined.presence)
    atoms = trace(refined.presence, **tracing)
    radius = tracing.get("intensity_radius") or tracing["min_distance"] / 2
    strength = integrated_intensities(refined.volume, atoms.positions, radius)
    bars = refined.presence.metadata.get("error_bars")
    heights = peak_heights(atoms.positions, refined.presence, tracing.get("smoothing", 0.0))
    covariance = None if bars is None else bars.covariance(heights, refined.lattice_score)
    return atoms.replace(intensities=strength, covariance=covariance).select(np.argsort(-strength))


def weigh_refined(
    refined: Refined, series: TiltSeries, powers: NDArray[np.float64], *, progress: bool = False, **tracing: Any
) -> tuple[AtomicModel, NDArray[np.float64]]:
    """Candidates of `refined`, as `trace_refined` gives them but down to `LOWEST_CANDIDATE`, and the ln odds of each.

    Parameters
    ----------
    series : the counts that are asked.
    powers : (k,) scattering powers of the elements that may occur; only ratios matter.
    progress : show a bar.
    tracing : options of `pann.tracing.trace`, less the threshold.

    Returns
    -------
    Atoms, and (n,) ln odds by `pann.refiner.odds.Odds`: above zero an atom is more likely there than not.
    """
    candidates = trace_refined(refined, **tracing | {"threshold": LOWEST_CANDIDATE})
    if not len(candidates):
        return candidates, np.zeros(0)
    smoothing = tracing.get("smoothing", 0.0)
    presence = peak_heights(candidates.positions, refined.presence, smoothing)
    density = peak_heights(candidates.positions, refined.volume, smoothing) / refined.volume.metadata["atom_height"]
    heights = density / np.maximum(presence, LOWEST_CANDIDATE)
    weighed = weigh(series, candidates.positions, presence, heights, progress)
    evidence = weighed.evidence(weighed.heights_of(powers))
    odds: Odds = refined.presence.metadata["odds"]
    return candidates, odds(presence, evidence, peer_evidence(presence, heights, evidence))
