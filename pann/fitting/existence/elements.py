"""Which element an atom is, by likelihood ratio."""

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel
from pann.fitting.existence.evidence import Evidence


def element_probabilities(model: AtomicModel, evidence: Evidence, kinds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each of `kinds` for each atom, (n_atoms, n_kinds), given that it is one of them.

    Bayes' rule: the likelihood ratios exp(T(H) / 2) of the elements' intensities times what was believed before, the
    probability in `model` for the element named there and the rest in equal parts for the others; nothing was believed
    of an atom without a probability, or with one of zero.
    """
    n, k = len(model), len(kinds)
    before = np.full((n, k), 1.0 / k)
    if model.probabilities is not None and k > 1:
        named = model.numbers[:, None] == kinds
        chance = np.clip(model.probabilities, 1e-6, 1 - 1e-6)[:, None]
        told = (model.probabilities > 0)[:, None] & named.any(1, keepdims=True)
        before = np.where(told, np.where(named, chance, (1 - chance) / (k - 1)), before)
    log_posterior = np.log(before) + evidence.fixed / 2
    log_posterior -= log_posterior.max(1, keepdims=True)
    posterior = np.exp(log_posterior)
    return np.asarray(posterior / posterior.sum(1, keepdims=True))


def likelier_elements(
    model: AtomicModel, evidence: Evidence, kinds: NDArray[np.int64], unsure: float
) -> NDArray[np.int64]:
    """Atomic numbers (n_atoms,): those of `model`, and where they are less probable than `unsure` the likeliest."""
    if len(kinds) < 2:
        return model.numbers
    likeliest = kinds[element_probabilities(model, evidence, kinds).argmax(1)]
    chances = np.zeros(len(model)) if model.probabilities is None else model.probabilities
    return np.where(chances < unsure, likeliest, model.numbers)
