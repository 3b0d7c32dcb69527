"""Mixtures of recipes: each particle is one of several kinds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pann.core.errors import ConfigError
from pann.simulation.structures.options import Real


def entries(recipe: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The recipes of a mixture of positive weight, each with the stages beside the mixture that it lacks."""
    mixture = recipe["mixture"]
    if not isinstance(mixture, Mapping) or not mixture:
        raise ConfigError("structure.mixture is empty: give recipes by name, each with a weight")
    shared = {key: value for key, value in recipe.items() if key != "mixture"}
    weights = _weights(mixture)
    return {
        name: shared | {key: value for key, value in entry.items() if key != "weight"}
        for name, entry in mixture.items()
        if weights[name] > 0
    }


def _weights(mixture: Mapping[str, Any]) -> dict[str, float]:
    weights = {}
    for name, entry in mixture.items():
        if not isinstance(entry, Mapping):
            raise ConfigError(f"structure.mixture.{name} is {entry!r}: expected a recipe")
        weight = entry.get("weight", 1.0)
        Real(0, 1e9).check(f"structure.mixture.{name}.weight", weight)
        weights[str(name)] = float(weight)
    if sum(weights.values()) <= 0:
        raise ConfigError("structure.mixture: all weights are zero")
    return weights


def draw_entry(recipe: Mapping[str, Any], rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """Name and recipe of one member of the mixture, drawn by weight."""
    members, weights = entries(recipe), _weights(recipe["mixture"])
    chances = np.array([weights[name] for name in members])
    name = list(members)[int(rng.choice(len(members), p=chances / chances.sum()))]
    return name, members[name]
