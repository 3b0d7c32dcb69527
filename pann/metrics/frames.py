"""Bringing a model into the frame of another: axes exchanged and reversed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, ConfigError

NAMES = "xyz"


def transform_axes(model: AtomicModel, axes: Sequence[str]) -> AtomicModel:
    """`model` in new axes, each named as an old one with its sign: ``["y", "x", "-z"]`` means (x, y, z)' = (y, x, −z).

    Covariances follow the positions. Raises ConfigError unless each of x, y and z is named once.
    """
    matrix = axes_matrix(axes)
    covariance = None if model.covariance is None else matrix @ model.covariance @ matrix.T
    return model.replace(positions=model.positions @ matrix.T, covariance=covariance)


def axes_matrix(axes: Sequence[str]) -> NDArray[np.float64]:
    """The signed permutation (3, 3) that `axes` describe."""
    words = [str(axis).strip().lower() for axis in axes]
    if sorted(word.lstrip("+-") for word in words) != list(NAMES) or any(len(word) > 2 for word in words):
        raise ConfigError(f"axes is [{','.join(words)}]: expected each of x, y, z once, such as [y,x,-z]")
    matrix = np.zeros((3, 3))
    for row, word in enumerate(words):
        matrix[row, NAMES.index(word[-1])] = -1.0 if word.startswith("-") else 1.0
    return matrix
