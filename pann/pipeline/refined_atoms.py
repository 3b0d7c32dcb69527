"""Which peaks of the refined volume are atoms."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.classifier import scattering_powers
from pann.core import AtomicModel, TiltSeries
from pann.pipeline.options import ChainOptions
from pann.refiner import Refined, least_odds, refined_threshold, trace_refined, weigh_refined


@dataclass(frozen=True)
class RefinedAtoms:
    """Atoms of the refined volume, strongest first.

    Attributes
    ----------
    atoms : more likely there than not.
    looser : these and less likely ones, of which the classifier rejects some; the same where it rejects none.
    odds : (n,) ln odds of each of `looser`; None where the heights of the peaks alone decided.
    """

    atoms: AtomicModel
    looser: AtomicModel
    odds: NDArray[np.float64] | None = None


def refined_atoms(refined: Refined, series: TiltSeries, options: ChainOptions, tracing: dict[str, Any]) -> RefinedAtoms:
    """The atoms of `refined`: by the height of their peaks and by the counts, or by the height alone.

    The counts are asked where there are any, where the elements are known (`refiner.weigh`), and where no threshold was
    given. `tracing` are options of `pann.tracing.trace`.
    """
    settings = options.refiner or {}
    tracing = tracing | {"smoothing": settings["smoothing"]}
    share = loosened(options)
    automatic = tracing.get("threshold", "auto") == "auto"
    if settings["weigh"] and automatic and options.elements and series.kind == "counts":
        powers = scattering_powers(options.elements)
        candidates, odds = weigh_refined(refined, series, powers, progress=options.progress, **tracing)
        looser = odds > least_odds(refined, share)
        return RefinedAtoms(candidates.select(odds > 0), candidates.select(looser), odds[looser])
    atoms = trace_refined(refined, **tracing)
    if share == 1:
        return RefinedAtoms(atoms, atoms)
    return RefinedAtoms(
        atoms, trace_refined(refined, **tracing | {"threshold": share * refined_threshold(refined.presence)})
    )


def loosened(options: ChainOptions) -> float:
    """Share of the refiner's threshold at which atoms are traced that the classifier may reject again; 1 without it."""
    classifier = options.classifier or {}
    if not options.elements or classifier.get("reject") is None or options.tracing["threshold"] != "auto":
        return 1.0
    return float(classifier["loosen"])
