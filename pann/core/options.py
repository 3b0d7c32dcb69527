"""Options as plain values, such as a YAML file or a command line gives them."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

from pann.core.errors import ConfigError

Range = tuple[float, float]
"""(lowest, highest) value of a quantity that is drawn at random."""


def unknown_name(where: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a `name` that is none of the `known` ones, with the nearest of them."""
    names = [str(item) for item in known]
    near = get_close_matches(str(name), names, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(names)}"
    return ConfigError(f"{where}: there is no {name!r}; {hint}")


def refuse_unknown(where: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise ConfigError for the first name of `given` that is not `known`, with the nearest names."""
    for name in given:
        if name not in known:
            raise unknown_name(where, name, known)


def as_range(name: str, value: Any, least: float = 0.0, most: float = float("inf")) -> Range:
    """`value`, a number or [lowest, highest], as a range within [`least`, `most`]; ConfigError otherwise."""
    try:
        ends = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} is {value!r}: expected a number or [lowest, highest]") from error
    low, high = (float(ends[0]), float(ends[-1])) if ends.shape in ((1,), (2,)) else (np.nan, np.nan)
    if not least <= low <= high <= most or not np.isfinite(high):
        limits = f"{least:g} <= lowest <= highest" + (f" <= {most:g}" if np.isfinite(most) else "")
        raise ConfigError(f"{name} is {value!r}: expected a number or [lowest, highest] with {limits}")
    return low, high
