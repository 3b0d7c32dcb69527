"""Elements out of the labels that atom files carry: symbols, atomic numbers of a fit, or bare type numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pann.core.elements import UNKNOWN, atomic_number
from pann.core.errors import InputError

Types = Sequence[str | int] | Mapping[int, str | int]
"""The element of each type number: ``["Ni", "Pt"]`` means 1 = Ni, 2 = Pt; a mapping says it outright."""


def species_numbers(labels: Sequence[str], types: Types | None, path: Path) -> NDArray[np.int64]:
    """Atomic numbers (n,) of `labels`: symbols, X for unknown, or type numbers, which are unknown without `types`."""
    table = {label: _number(label, types, path) for label in set(labels)}
    return np.array([table[label] for label in labels], dtype=np.int64)


def _number(label: str, types: Types | None, path: Path) -> int:
    if label.lstrip("-").isdigit():
        return UNKNOWN if types is None else _of_type(int(label), types, path)
    if label in ("X", "x", "Xx"):
        return UNKNOWN
    try:
        return atomic_number(label.rstrip("0123456789+-"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _of_type(label: int, types: Types, path: Path) -> int:
    mapping = types if isinstance(types, Mapping) else dict(enumerate(types, start=1))
    if label not in mapping:
        raise InputError(f"{path}: no element is named for type {label}: types lists {sorted(mapping)}")
    return atomic_number(mapping[label])
