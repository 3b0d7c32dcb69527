"""From a recipe to a scheme."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import ConfigError
from pann.core.options import refuse_unknown
from pann.simulation.tilts.axes import Dual, Full, Golden, Single
from pann.simulation.tilts.given import Listed, Published
from pann.simulation.tilts.scheme import WHERE, Scheme

KINDS: Mapping[str, type[Scheme]] = {
    "single": Single,
    "full": Full,
    "dual": Dual,
    "golden": Golden,
    "list": Listed,
    "file": Published,
}
"""Kinds of schemes by name."""


def tilt_scheme(recipe: Mapping[str, Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Euler angles (n_tilts, 3) [deg] of the scheme that `recipe` describes.

    Parameters
    ----------
    recipe : `kind`, a key of `KINDS`, and its options.
    rng : draws what the recipe leaves open.

    Raises
    ------
    ConfigError, InputError : see `check_tilts`.
    """
    return _scheme(recipe).draw(rng)


def check_tilts(recipe: Mapping[str, Any]) -> None:
    """Raise ConfigError for an unknown, missing or impossible option, InputError for a file of angles that is none."""
    _scheme(recipe)


def _scheme(recipe: Mapping[str, Any]) -> Scheme:
    if not isinstance(recipe, Mapping) or "kind" not in recipe:
        raise ConfigError(f"{WHERE} is {recipe!r}: expected a recipe with a kind ({', '.join(KINDS)})")
    refuse_unknown(f"{WHERE}.kind", [str(recipe["kind"])], list(KINDS))
    kind: Any = KINDS[recipe["kind"]]
    options = {key: value for key, value in recipe.items() if key != "kind"}
    refuse_unknown(WHERE, options, [entry.name for entry in fields(kind)])
    if missing := [e.name for e in fields(kind) if e.default is MISSING and e.name not in options]:
        raise ConfigError(f"{WHERE}: {', '.join(missing)} not given for kind={recipe['kind']}")
    scheme: Scheme = kind(**options)
    return scheme
