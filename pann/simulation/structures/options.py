"""Options of a recipe: which values may be given, and how one value is drawn from them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real as Number
from typing import Any

import numpy as np

from pann.core.errors import ConfigError
from pann.core.options import refuse_unknown, unknown_name

REQUIRED: Any = object()
"""Default of an option that has none."""


def check_keys(where: str, values: Any, known: Iterable[str]) -> None:
    """Raise ConfigError unless `values` is a mapping of `known` keys."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {values!r}: expected options by name ({', '.join(known)})")
    refuse_unknown(where, values, list(known))


def is_list(value: Any) -> bool:
    """Whether `value` is a list as YAML gives them (a string is none)."""
    return isinstance(value, Sequence) and not isinstance(value, str)


class Option(ABC):
    """One option. `check` refuses what cannot be drawn from; `draw` returns a plain value."""

    default: Any

    @abstractmethod
    def check(self, where: str, value: Any) -> None:
        """Raise ConfigError, naming the option `where`, unless `value` may be given."""

    @abstractmethod
    def draw(self, value: Any, rng: np.random.Generator) -> Any:
        """One plain value of those that the checked `value` allows."""


class Real(Option):
    """A number, or a range [low, high] drawn uniformly (or log-uniformly); None only where that is the default.

    Parameters
    ----------
    low, high : least and largest value allowed.
    default : number, range or None.
    whole : only whole numbers.
    log : draw the logarithm uniformly.
    """

    def __init__(
        self, low: float, high: float, default: Any = REQUIRED, *, whole: bool = False, log: bool = False
    ) -> None:
        self.low, self.high, self.default, self.whole, self.log = low, high, default, whole, log

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if value is None and self.default is None:
            return
        numbers = list(value) if is_list(value) and len(value) == 2 else [value]
        kind = "whole number" if self.whole else "number"
        for number in numbers:
            right = isinstance(number, Number) and not isinstance(number, bool) and isfinite(number)
            if not right or (self.whole and number != int(number)) or not self.low <= number <= self.high:
                raise ConfigError(
                    f"{where} is {value!r}: expected a {kind} from {self.low:g} to {self.high:g}, "
                    "or a range [low, high]"
                )
        if numbers[0] > numbers[-1]:
            raise ConfigError(f"{where} is {value!r}: the range must begin with its lower end")

    def draw(self, value: Any, rng: np.random.Generator) -> float | int | None:
        """See `Option.draw`."""
        if value is None:
            return None
        if not is_list(value):
            return int(value) if self.whole else float(value)
        low, high = value
        if self.log:
            number = float(np.exp(rng.uniform(np.log(low), np.log(high))))
            return round(number) if self.whole else number
        return int(rng.integers(int(low), int(high) + 1)) if self.whole else float(rng.uniform(low, high))


class Word(Option):
    """One of `choices`, or a list of them to draw from; None only where that is the default."""

    def __init__(self, choices: Iterable[str], default: Any = REQUIRED) -> None:
        self.choices, self.default = tuple(choices), default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if value is None and self.default is None:
            return
        words = list(value) if is_list(value) else [value]
        if not words:
            raise ConfigError(f"{where} is an empty list: choose from {', '.join(self.choices)}")
        for word in words:
            if word not in self.choices:
                raise unknown_name(where, word, self.choices)

    def draw(self, value: Any, rng: np.random.Generator) -> str | None:
        """See `Option.draw`."""
        return value[int(rng.integers(len(value)))] if is_list(value) else value


class Vector(Option):
    """Three numbers; the word random, or None, only where that is the default."""

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if isinstance(self.default, str | None) and value == self.default:
            return
        right = is_list(value) and len(value) == 3
        if not right or not all(isinstance(item, Number) for item in value) or not any(value):
            raise ConfigError(f"{where} is {value!r}: expected three numbers, not all zero, such as [1, 1, 0]")

    def draw(self, value: Any, rng: np.random.Generator) -> list[float] | str | None:
        """See `Option.draw`."""
        return [float(item) for item in value] if is_list(value) else value


class Text(Option):
    """Any text, such as the name of a file; None only where that is the default."""

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if not (isinstance(value, str) and value) and not (value is None and self.default is None):
            raise ConfigError(f"{where} is {value!r}: expected text")

    def draw(self, value: Any, rng: np.random.Generator) -> str | None:
        """See `Option.draw`."""
        return value
