"""How strongly the candidate elements scatter, and what else of them the network may know."""

from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from pann.core.elements import symbols
from pann.core.errors import InputError
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.microscope import Microscope

CANDIDATE_FEATURES = 8
"""Columns of `candidate_features`."""
_TYPICAL_RADIUS = 1.2


def scattering_powers(elements: Sequence[int]) -> NDArray[np.float64]:
    """Dark-field cross-section of each of `elements`, (n,), in the default microscope; only ratios matter here.

    Raises InputError when no element is named or one is named twice.
    """
    numbers = [int(number) for number in elements]
    if not numbers:
        raise InputError("elements: none is named: give the candidates, such as elements=[Fe,Pt]")
    if len(set(numbers)) != len(numbers):
        raise InputError(f"elements: {symbols(numbers)} names one twice: give each candidate once")
    kernels = atom_kernels(Microscope(), numbers)
    return np.array([kernels[number].cross_section for number in numbers])


def by_power(elements: Sequence[int]) -> NDArray[np.int64]:
    """Atomic numbers from the weakest to the strongest scatterer."""
    return np.asarray(elements, dtype=np.int64)[np.argsort(scattering_powers(elements))]


def candidate_features(numbers: Sequence[int], powers: NDArray[np.float64]) -> NDArray[np.float32]:
    """What describes each candidate among the others, (n_candidates, CANDIDATE_FEATURES), in any order.

    Log scattering power relative to the candidates' mean, rank, log distance to the next weaker and next stronger
    candidate, log power relative to their geometric mean, log number of candidates, atomic number, covalent radius.
    """
    n = len(numbers)
    log_power = np.log(powers)
    order = np.argsort(log_power)
    gaps = np.append(np.inf, np.append(np.diff(log_power[order]), np.inf))
    below, above = np.empty(n), np.empty(n)
    below[order], above[order] = gaps[:-1], gaps[1:]
    rank = np.empty(n)
    rank[order] = (np.arange(n) + 0.5) / n - 0.5
    atomic = np.asarray(numbers, dtype=np.float64)
    columns = (
        np.log(powers / powers.mean()),
        rank,
        np.exp(-below),
        np.exp(-above),
        log_power - log_power.mean(),
        np.full(n, np.log(n)),
        atomic / 50 - 1,
        covalent_radii[atomic.astype(int)] - _TYPICAL_RADIUS,
    )
    return np.stack(columns, axis=-1).astype(np.float32)
