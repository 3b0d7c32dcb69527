"""Registries: what a stage of a recipe can be, by name, each kind with its options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from pann.core.errors import ConfigError
from pann.simulation.structures.options import REQUIRED, Option, Word, check_keys, is_list

Build = TypeVar("Build", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kind(Generic[Build]):
    """One thing that a stage can be.

    Attributes
    ----------
    name : as a recipe gives it.
    build : does it, with the drawn options as keywords.
    options : by name.
    traits : what other stages need to know about it.
    """

    name: str
    build: Build
    options: Mapping[str, Option]
    traits: frozenset[str]

    def check(self, where: str, values: Mapping[str, Any]) -> None:
        """Raise ConfigError unless `values` are right values of these options and none is missing."""
        check_keys(where, values, self.options)
        for name, option in self.options.items():
            if name in values:
                option.check(f"{where}.{name}", values[name])
            elif option.default is REQUIRED:
                raise ConfigError(f"{where} ({self.name}): {name} is not given")

    def draw(self, values: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """One value of each option, in the order of the registry."""
        return {name: option.draw(values.get(name, option.default), rng) for name, option in self.options.items()}


class Registry(Generic[Build]):
    """The kinds of one stage. A recipe names one (or a list to draw from) as text or under the key `kind`."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.kinds: dict[str, Kind[Build]] = {}

    def add(self, name: str, *traits: str, **options: Option) -> Callable[[Build], Build]:
        """Decorator that registers a function as the kind `name`."""

        def register(build: Build) -> Build:
            self.kinds[name] = Kind(name, build, options, frozenset(traits))
            return build

        return register

    def candidates(self, value: Any) -> list[Kind[Build]]:
        """The kinds that a checked `value` may become."""
        words = self._words(value)
        return [self.kinds[word] for word in (words if is_list(words) else [words])]

    def check(self, value: Any) -> None:
        """Raise ConfigError unless `value` names kinds of this stage and right options of theirs."""
        if not isinstance(value, (str, Mapping)) and not is_list(value):
            raise ConfigError(f"{self.stage} is {value!r}: expected the name of a kind, or options with the key kind")
        if isinstance(value, Mapping) and "kind" not in value:
            raise ConfigError(f"{self.stage}: the key kind is not given; choose from {', '.join(self.kinds)}")
        Word(self.kinds).check(f"{self.stage}.kind", self._words(value))
        kinds = self.candidates(value)
        options = self._options(value)
        check_keys(self.stage, options, [name for kind in kinds for name in kind.options])
        for kind in kinds:
            kind.check(self.stage, self._own(kind, options))

    def draw(self, value: Any, rng: np.random.Generator) -> tuple[Kind[Build], dict[str, Any]]:
        """A kind and its options, drawn from a checked `value`."""
        name = Word(self.kinds).draw(self._words(value), rng)
        kind = self.kinds[str(name)]
        return kind, kind.draw(self._own(kind, self._options(value)), rng)

    @staticmethod
    def _words(value: Any) -> Any:
        return value["kind"] if isinstance(value, Mapping) else value

    @staticmethod
    def _options(value: Any) -> dict[str, Any]:
        return {key: item for key, item in value.items() if key != "kind"} if isinstance(value, Mapping) else {}

    @staticmethod
    def _own(kind: Kind[Build], options: Mapping[str, Any]) -> dict[str, Any]:
        return {key: item for key, item in options.items() if key in kind.options}
