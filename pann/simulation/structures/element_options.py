"""Options of a recipe that speak of elements and of crystal planes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pann.core.elements import atomic_number, symbols
from pann.core.errors import ConfigError, InputError
from pann.simulation.structures.options import REQUIRED, Option, Real, check_keys, is_list

METALS: tuple[str, ...] = (
    *("Li", "Be", "Na", "Mg", "Al", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge"),
    *("Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Cs", "Ba", "La", "Ce", "Pr", "Nd"),
    *("Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Tl"),
    *("Pb", "Bi"),
)
"""Elements that ``from: metals`` draws an alloy from."""


def check_symbol(where: str, symbol: Any) -> None:
    """Raise ConfigError, with the nearest symbols, unless `symbol` names an element."""
    try:
        atomic_number(symbol)
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from error


class Elements(Option):
    """Symbols, or ``{choose: [low, high], from: [symbols]}`` to draw an alloy; ``from: metals`` is the whole table."""

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if value is None and self.default is None:
            return
        if isinstance(value, Mapping):
            check_keys(where, value, ("choose", "from"))
            table = value.get("from")
            if table != "metals" and not is_list(table):
                raise ConfigError(f"{where}.from is {table!r}: expected a list of symbols, or metals")
            named = self.table(value)
            Real(1, len(named), whole=True).check(f"{where}.choose", value.get("choose"))
        elif is_list(value) and len(value):
            named = list(value)
        else:
            raise ConfigError(f"{where} is {value!r}: expected symbols such as [Co, Pt], or {{choose: 2, from: [..]}}")
        for symbol in named:
            check_symbol(where, symbol)
        if len(set(named)) < len(named):
            raise ConfigError(f"{where} names an element twice: {', '.join(map(str, named))}")

    def draw(self, value: Any, rng: np.random.Generator) -> list[str] | None:
        """See `Option.draw`."""
        if not isinstance(value, Mapping):
            return None if value is None else [str(symbol) for symbol in value]
        table = self.table(value)
        count = int(Real(1, len(table), whole=True).draw(value["choose"], rng) or 1)
        return [str(symbol) for symbol in rng.choice(table, size=count, replace=False)]

    @staticmethod
    def table(value: Any) -> list[str]:
        """All symbols that a checked `value` may draw."""
        source = value["from"] if isinstance(value, Mapping) else value
        return list(METALS) if source == "metals" else [str(symbol) for symbol in source]

    def most(self, value: Any) -> int:
        """Largest number of elements that a checked `value` may give."""
        if not isinstance(value, Mapping):
            return len(value)
        return int(np.max(value["choose"]))


class Amounts(Option):
    """A list of amounts >= 0, each a number or a range; or None."""

    default = None

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if value is None:
            return
        if not is_list(value) or not len(value):
            raise ConfigError(f"{where} is {value!r}: expected one share for each element, such as [0.5, 0.5]")
        for index, item in enumerate(value):
            Real(0, 1e6).check(f"{where}[{index}]", item)
        if not sum(np.max(item) for item in value) > 0:
            raise ConfigError(f"{where} is {value!r}: the shares must not all be zero")

    def draw(self, value: Any, rng: np.random.Generator) -> list[float] | None:
        """See `Option.draw`."""
        return None if value is None else [float(Real(0, 1e6).draw(item, rng) or 0.0) for item in value]


class ByElement(Option):
    """A number or range for every element alike, or a mapping from symbols to numbers or ranges.

    The drawn value keeps that form: each element draws a number of its own when the elements are known.
    """

    def __init__(self, low: float, high: float, default: Any = REQUIRED) -> None:
        self.number, self.default = Real(low, high), default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if not isinstance(value, Mapping):
            self.number.check(where, value)
            return
        for symbol, item in value.items():
            check_symbol(where, symbol)
            self.number.check(f"{where}.{symbol}", item)

    def draw(self, value: Any, rng: np.random.Generator) -> Any:
        """See `Option.draw`."""
        if not isinstance(value, Mapping):
            return value
        return {symbols([atomic_number(symbol)])[0]: item for symbol, item in value.items()}


class Facets(Option):
    """Distances or surface energies by Miller indices: ``{"111": 1.0, "100": [1.0, 1.2]}``."""

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default

    def check(self, where: str, value: Any) -> None:
        """See `Option.check`."""
        if not isinstance(value, Mapping) or not value:
            raise ConfigError(f"{where} is {value!r}: expected distances by Miller indices, such as {{'111': 1.0}}")
        for key, item in value.items():
            miller_indices(where, key)
            Real(1e-3, 1e3).check(f"{where}.{key}", item)

    def draw(self, value: Any, rng: np.random.Generator) -> dict[str, float]:
        """See `Option.draw`."""
        return {str(key): float(Real(1e-3, 1e3).draw(item, rng) or 0.0) for key, item in value.items()}


def miller_indices(where: str, key: Any) -> tuple[int, int, int]:
    """(h, k, l) of digits such as "111", "1-10", and of the four "10-11" of hexagonal crystals."""
    text, indices, sign = str(key).replace(" ", ""), [], 1
    for letter in text:
        if letter == "-":
            sign = -1
        elif letter.isdigit():
            indices.append(sign * int(letter))
            sign = 1
        else:
            break
    if len(indices) == 4 and indices[0] + indices[1] + indices[2] == 0:
        del indices[2]
    if len(indices) != 3 or not any(indices) or sum(map(str.isdigit, text)) + text.count("-") != len(text):
        raise ConfigError(f"{where}: {key!r} are no Miller indices: write them as '111', '1-10' or '10-10'")
    return indices[0], indices[1], indices[2]
