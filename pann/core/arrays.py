"""Checks that the value objects share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.errors import InputError


def frozen(array: ArrayLike, dtype: Any) -> NDArray[Any]:
    """A read-only copy of `array`; value objects hold only such arrays."""
    copy = np.array(array, dtype=dtype, copy=True)
    copy.setflags(write=False)
    return copy


def require_finite(name: str, array: NDArray[Any]) -> None:
    """Raise InputError when `array` holds NaN or infinity, saying how many and where the first one is."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{name}: {int(bad.sum())} of {array.size} values are NaN or infinite, the first at {first}: "
            "mask or repair them before the run"
        )


def require_positive(name: str, value: float | None, unit: str) -> None:
    """Raise InputError unless `value` is a positive finite number."""
    if value is None or not np.isfinite(value) or value <= 0:
        raise InputError(f"{name} is {value}: expected a positive number [{unit}]")
