"""Which element sits on which site."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.errors import InputError


def normalised(fractions: ArrayLike, n: int) -> NDArray[np.float64]:
    """Positive composition of `n` elements that adds to one."""
    array = np.asarray(fractions, dtype=np.float64)
    if array.shape != (n,) or np.any(array < 0) or array.sum() <= 0:
        raise InputError(f"composition: {array.tolist()} for {n} elements: give one fraction >= 0 each")
    return array / array.sum()


def random_alloy(
    n_atoms: int, elements: Sequence[int], fractions: ArrayLike, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Atomic numbers (n_atoms,) drawn independently with probabilities `fractions`."""
    return rng.choice(np.asarray(elements, dtype=np.int64), size=n_atoms, p=normalised(fractions, len(elements)))


def by_order(
    order: ArrayLike, elements: Sequence[int], fractions: ArrayLike, width: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Elements in sequence along a coordinate `order` (n,), with a border mixed over `width` (same unit).

    With the distance from the centre as `order` this is a core-shell particle, with a Cartesian coordinate a Janus one.
    The numbers of atoms follow `fractions` exactly up to rounding.
    """
    key = np.asarray(order, dtype=np.float64)
    key = key + width * rng.normal(size=key.shape)
    edges = np.rint(np.cumsum(normalised(fractions, len(elements))) * len(key)).astype(int)
    numbers = np.empty(len(key), dtype=np.int64)
    start = 0
    ranking = np.argsort(key, kind="stable")
    for element, stop in zip(elements, edges, strict=True):
        numbers[ranking[start:stop]] = element
        start = stop
    return numbers


def ordered(sites: ArrayLike, elements: Sequence[int], antisite: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Element k on sublattice k (n,), with a share `antisite` of the atoms exchanged at random.

    Where there are more sublattices than elements the last element fills the rest.
    """
    choice = np.minimum(np.asarray(sites, dtype=np.int64), len(elements) - 1)
    numbers = np.asarray(elements, dtype=np.int64)[choice]
    swapped = np.flatnonzero(rng.random(len(numbers)) < antisite)
    numbers[swapped] = numbers[rng.permutation(swapped)]
    return numbers
