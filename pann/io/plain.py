"""Metadata as JSON text, the form in which every file of ours carries it."""

import json
from typing import Any

import numpy as np

from pann.core.errors import InputError


def to_json(metadata: dict[str, Any], what: str) -> str:
    """`metadata` as one line of JSON; numpy scalars and arrays become numbers and lists."""
    try:
        return json.dumps(metadata, default=_plain, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: metadata must hold plain values (text, numbers, lists): {error}") from error


def from_json(text: str, what: str) -> dict[str, Any]:
    """The inverse of `to_json`."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{what}: the metadata are damaged: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{what}: the metadata are damaged: expected a JSON object")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is none")
