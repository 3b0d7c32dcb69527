"""The Poisson deviance, and what it should be when only noise is left."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import poisson
from torch import Tensor


def poisson_deviance(counts: Tensor, expected: Tensor) -> float:
    """2 Σ [y ln(y / μ) − (y − μ)], zero where the expectation μ meets the counts y."""
    mean = expected.double().clamp(min=1e-12)
    observed = counts.double()
    return float(2 * (torch.xlogy(observed, observed / mean) - (observed - mean)).sum())


def expected_deviance(expected: Tensor) -> float:
    """Sum over pixels of the mean deviance of a Poisson variable of the given expectations.

    Close to one per pixel above ten counts and much smaller below one, so it is tabulated exactly rather than assumed.
    """
    log_mean, deviance = _deviance_table()
    values = np.log(expected.detach().double().clamp(min=1e-12).cpu().numpy().ravel())
    return float(np.interp(values, log_mean, deviance).sum())


@cache
def _deviance_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = np.geomspace(1e-6, 1e3, 400)
    deviance = []
    for mean in means:
        spread = 12 * np.sqrt(mean) + 30
        k = np.arange(max(0, int(mean - spread)), int(mean + spread) + 1, dtype=np.float64)
        term = np.where(k > 0, k * np.log(np.maximum(k, 1) / mean), 0) - (k - mean)
        deviance.append(2 * float((poisson.pmf(k, mean) * term).sum()))
    return np.log(means), np.array(deviance)
