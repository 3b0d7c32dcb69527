"""Which volume's atoms to keep: the network's, unless the images contradict it."""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch

from pann.core import AtomicModel, InputError, TiltSeries, Volume
from pann.fitting import FitResult, fit
from pann.tomography.deviance import poisson_deviance
from pann.tracing import trace

PLACE = 1.5
"""Peaks of noise closer than this [Å] are one."""


@dataclass(frozen=True)
class Verdict:
    """How well the atoms of both volumes explain the images.

    Attributes
    ----------
    chosen : "raw" or "refined", the volume whose atoms were kept.
    explained : share of the misfit of an empty model that the same number of atoms of each volume removes.
    allowed : what of that share the refined atoms might lack and be kept.
    atoms : number of atoms that each volume brought to the comparison.
    compared : number of atoms, the strongest of each volume, in the comparison.
    """

    chosen: str
    explained: dict[str, float]
    allowed: float
    atoms: dict[str, int]
    compared: int


def guard_refined(
    series: TiltSeries,
    raw: AtomicModel,
    refined: AtomicModel,
    tolerance: float,
    iterations: int,
    **fit_options: Any,
) -> Verdict:
    """Keep the refined volume's atoms unless they explain the images clearly worse than the first volume's.

    Both are cut to the same number of atoms, the strongest, and fitted briefly with an intensity for each. The peaks of
    the first volume were picked on the noise of these very images, so that they explain more of it than atoms that are
    as good: `picked_gain` for each of them, and `tolerance` of everything besides. At low dose that is much of what an
    atom explains, and the images hardly contradict anyone; at higher dose a network out of its depth loses by far more.

    Parameters
    ----------
    series : the images.
    raw, refined : traced atoms of each volume, strongest first; see `as_many` for those of the first.
    tolerance : share of what the first volume's atoms explain by which the refined ones may fall short.
    iterations : steps of each brief fit.
    fit_options : further options of `pann.fitting.fit`.
    """
    models = {"raw": raw, "refined": refined}
    atoms = {name: len(model) for name, model in models.items()}
    compared = min(atoms.values())
    if compared == 0:
        return Verdict(max(atoms, key=lambda name: atoms[name]), dict.fromkeys(models, 0.0), 0.0, atoms, 0)
    empty = empty_misfit(series)
    explained = {}
    for name, model in models.items():
        try:
            result = fit(
                series,
                model.select(np.arange(compared)),
                intensities="atom",
                halo="fixed",
                covariance="none",
                max_iterations=iterations,
                **fit_options,
            )
        except InputError:  # none of these atoms shows in the images
            explained[name] = 0.0
            continue
        explained[name] = (empty - misfit(result)) / abs(empty)
    allowed = tolerance * explained["raw"] + compared * picked_gain(series, compared) / abs(empty)
    chosen = "refined" if explained["refined"] >= explained["raw"] - allowed else "raw"
    return Verdict(chosen, explained, allowed, atoms, compared)


def as_many(volume: Volume, atoms: AtomicModel, count: int, tracing: dict[str, Any]) -> AtomicModel:
    """`atoms` of `volume`, and its next strongest peaks where there are fewer than `count`, strongest first.

    Of a network that finds many atoms the strongest explain less than as many of the first volume: they are all in the
    thick of the particle, and the strongest peaks of noise are all over it. `tracing` are options of
    `pann.tracing.trace`.
    """
    if len(atoms) >= count:
        return atoms
    return trace(volume, **tracing | {"threshold": 0.0, "max_atoms": count})


def picked_gain(series: TiltSeries, n_atoms: int) -> float:
    """Deviance that each of `n_atoms` peaks explains for having been picked as the highest of the noise around it.

    The largest of m squares of standard normal deviates, one for each place where a peak might be, is about 2 ln m
    (Embrechts, Klüppelberg and Mikosch, Modelling Extremal Events, 1997, 3.3).
    """
    nx, ny = (n * series.pixel_size / PLACE for n in series.image_shape)
    return 2 * log(max(nx * ny * min(nx, ny) / n_atoms, 1.0))


def misfit(result: FitResult) -> float:
    """-2 ln L of a fit up to a constant: the Poisson deviance, or n ln σ² for processed images."""
    if result.noise_sigma is None:
        return result.deviance
    return 2 * result.n_pixels * log(result.noise_sigma)


def empty_misfit(series: TiltSeries) -> float:
    """The same for a model without atoms: every image at its mean."""
    images = torch.tensor(series.images)
    means = images.mean((1, 2), keepdim=True).expand_as(images)
    if series.kind == "counts":
        return poisson_deviance(images, means)
    return images.numel() * log(float((images - means).double().square().mean()))
