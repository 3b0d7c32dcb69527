"""Which volume's atoms to keep: the images decide."""

from dataclasses import dataclass
from math import log
from typing import Any

from pann.core import AtomicModel, TiltSeries
from pann.fitting import FitResult, fit


@dataclass(frozen=True)
class Verdict:
    """How well the atoms of each volume explain the images.

    Attributes
    ----------
    chosen : name of the volume whose atoms were kept.
    prices : deviance plus the price of the atoms, by volume; the lowest wins.
    atoms : number of atoms, by volume.
    """

    chosen: str
    prices: dict[str, float]
    atoms: dict[str, int]


def choose_by_likelihood(
    series: TiltSeries,
    candidates: dict[str, AtomicModel],
    atom_price: float,
    iterations: int,
    **fit_options: Any,
) -> Verdict:
    """Fit the atoms of every candidate briefly and take those that explain the images best for their number.

    Each atom has an intensity of its own, since no element is known yet, and costs `atom_price`: the fall of the
    deviance that an atom must bring to count as found. A candidate without atoms never wins.

    Parameters
    ----------
    series : the images.
    candidates : traced atoms by name of their volume.
    atom_price : [deviance].
    iterations : steps of each brief fit.
    fit_options : further options of `pann.fitting.fit`.
    """
    prices = {}
    for name, model in candidates.items():
        if len(model):
            result = fit(
                series, model, intensities="atom", halo="fixed", covariance="blocks", max_iterations=iterations,
                **fit_options,
            )  # fmt: skip
            prices[name] = misfit(result) + atom_price * len(model)
        else:
            prices[name] = float("inf")
    chosen = min(prices, key=lambda name: prices[name])
    return Verdict(chosen, prices, {name: len(model) for name, model in candidates.items()})


def misfit(result: FitResult) -> float:
    """-2 ln L of a fit up to a constant: the Poisson deviance, or n ln σ² for processed images."""
    if result.noise_sigma is None:
        return result.deviance
    return 2 * result.n_pixels * log(result.noise_sigma)
