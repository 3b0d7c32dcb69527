"""What simulated series look like: the axes of a data set, and how a sample is placed on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from itertools import product
from typing import Any, Literal, Self, get_args

import numpy as np

from pann.core.errors import ConfigError
from pann.core.options import Range, as_range, refuse_unknown
from pann.core.random import generator
from pann.simulation.imaging.tiers import TIERS, tier_from_mapping
from pann.simulation.microscope import Microscope
from pann.simulation.noise import Distortions
from pann.simulation.structures import check_recipe
from pann.simulation.tilts import check_tilts

Order = Literal["random", "grid"]
AXES = ("structures", "tilts", "noise")
"""Axes with named choices; a grid has the levels of the dose as a fourth."""


@dataclass(frozen=True)
class DoseOptions:
    """How bright series are.

    Attributes
    ----------
    per : "projection", or "series" for values that the projections share.
    range : drawn log-uniformly [e/Å²]; None where levels are given.
    levels : fixed values [e/Å²]: an axis of a grid, else drawn with equal chances.
    """

    per: Literal["projection", "series"] = "projection"
    range: Range | None = None
    levels: tuple[float, ...] = ()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from `per`, and either `range` or `levels`; ConfigError when that makes no sense."""
        refuse_unknown("simulation.dose", values, ("per", "range", "levels"))
        levels = tuple(float(level) for level in values.get("levels") or ())
        limits = values.get("range")
        if (limits is None) == (not levels):
            raise ConfigError("simulation.dose: give either range=[lowest,highest] or levels=[...], in e/Å²")
        if values.get("per", "projection") not in ("projection", "series"):
            raise ConfigError(f"simulation.dose.per is {values['per']!r}: choose projection or series")
        if levels and not min(levels) > 0:
            raise ConfigError(f"simulation.dose.levels is {list(levels)}: doses are positive [e/Å²]")
        bounds = None if limits is None else as_range("simulation.dose.range", limits, least=1e-6)
        return cls(values.get("per", "projection"), bounds, levels)

    def draw(self, level: float | None, n_tilts: int, rng: np.random.Generator) -> float:
        """Dose [e/Å² per projection]: `level` where the grid gives one, else at random."""
        if level is None:
            level = float(rng.choice(self.levels)) if self.range is None else _log_uniform(self.range, rng)
        return level / n_tilts if self.per == "series" else level


@dataclass(frozen=True)
class MicroscopeOptions:
    """Set-ups to draw from, each with equal chances.

    Attributes
    ----------
    set_ups : (energy [eV], semi-angle, inner, outer angle [mrad]) of each.
    source_sigma : of the effective source [Å].
    aberrations : ranges of other fields of `pann.simulation.microscope.Microscope`, such as c12 [Å].
    """

    set_ups: tuple[tuple[float, float, float, float], ...]
    source_sigma: Range
    aberrations: Mapping[str, Range] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build and validate; ConfigError for impossible set-ups."""
        known = [entry.name for entry in fields(Microscope)][4:]
        refuse_unknown("simulation.microscope", values, ("set_ups", *known))
        try:
            set_ups = tuple(tuple(float(number) for number in entry) for entry in values["set_ups"])
            checked = [Microscope(*entry) for entry in set_ups]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"simulation.microscope.set_ups: expected a list of [energy, semiangle, inner, outer] ({error})"
            ) from error
        if not checked:
            raise ConfigError("simulation.microscope.set_ups is empty: give at least one set-up")
        ranges = {
            name: as_range(f"simulation.microscope.{name}", values[name], least=-np.inf)
            for name in known
            if name in values
        }
        source = ranges.pop("source_sigma", (0.3, 0.3))
        return cls(set_ups, source, ranges)  # type: ignore[arg-type]

    def draw(self, rng: np.random.Generator) -> Microscope:
        """A set-up with its source and aberrations."""
        energy, semiangle, inner, outer = self.set_ups[int(rng.integers(len(self.set_ups)))]
        source = rng.uniform(*self.source_sigma)
        extra = {name: float(rng.uniform(*limits)) for name, limits in self.aberrations.items()}
        return Microscope(energy, semiangle, inner, outer, source_sigma=source, **extra)


@dataclass(frozen=True)
class Choice:
    """Where a sample stands on the axes: names of its structure, tilts and noise; `dose` only in a grid of levels."""

    structures: str
    tilts: str
    noise: str
    dose: float | None = None


@dataclass(frozen=True, eq=False)
class SimulationConfig:
    """A data set without end: `random_sample` makes its sample number 0, 1, 2, ... Defaults are in ``conf/simulation``.

    Attributes
    ----------
    structures, tilts, noise : by name, recipes of `pann.simulation.structures`, `pann.simulation.tilts` and
        `pann.simulation.noise`; the key `weight` of each is its relative frequency (default 1), null leaves it out.
    microscope, dose : see `MicroscopeOptions`, `DoseOptions`.
    tier : `name` and options of how images are computed, see `pann.simulation.imaging`.
    order : "random" draws each axis; "grid" takes every combination of structure, noise, dose level and tilts in turn,
        then all of them again with other particles.
    pixel_size : [Å].
    margin : least free space around the particle in every image [Å].
    offset : largest distance of the particle from the rotation centre along each axis [Å].
    thermal_sigma : rms displacement of the atoms along one axis [Å], for structures that do not bring their own.
    values : the plain values that it was built from.
    """

    structures: Mapping[str, Mapping[str, Any]]
    tilts: Mapping[str, Mapping[str, Any]]
    noise: Mapping[str, Distortions]
    weights: Mapping[str, tuple[float, ...]]
    microscope: MicroscopeOptions
    dose: DoseOptions
    tier: Mapping[str, Any]
    order: Order
    pixel_size: Range
    margin: float
    offset: float
    thermal_sigma: Range
    values: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, such as a YAML file holds; everything is checked here, before any long job.

        Raises
        ------
        ConfigError : an unknown or missing key, with the nearest names; an impossible value.
        """
        names = [entry.name for entry in fields(cls) if entry.name not in ("weights", "values")]
        refuse_unknown("simulation", values, names)
        if missing := [name for name in names if name not in values]:
            raise ConfigError(f"simulation: {', '.join(missing)} not given")
        axes = {axis: _without_weights(axis, values[axis]) for axis in AXES}
        for recipe in axes["structures"].values():
            check_recipe(recipe)
        for recipe in axes["tilts"].values():
            check_tilts(recipe)
        tier_from_mapping(values["tier"])
        if values["order"] not in get_args(Order):
            raise ConfigError(f"simulation.order is {values['order']!r}: choose one of {', '.join(get_args(Order))}")
        return cls(
            structures=axes["structures"],
            tilts=axes["tilts"],
            noise={name: Distortions.from_mapping(recipe) for name, recipe in axes["noise"].items()},
            weights={axis: _weights(axis, values[axis]) for axis in AXES},
            microscope=MicroscopeOptions.from_mapping(values["microscope"]),
            dose=DoseOptions.from_mapping(values["dose"]),
            tier=dict(values["tier"]),
            order=values["order"],
            pixel_size=as_range("simulation.pixel_size", values["pixel_size"], least=0.01),
            margin=as_range("simulation.margin", values["margin"])[1],
            offset=as_range("simulation.offset", values["offset"])[1],
            thermal_sigma=as_range("simulation.thermal_sigma", values["thermal_sigma"], most=0.5),
            values=values,
        )

    @property
    def cells(self) -> list[Choice]:
        """Every combination of a grid, in order."""
        levels = self.dose.levels or (None,)
        return [Choice(s, t, n, d) for s, n, d, t in product(self.structures, self.noise, levels, self.tilts)]

    def choice(self, seed: int, index: int) -> Choice:
        """Where sample `index` stands."""
        if self.order == "grid":
            cells = self.cells
            return cells[index % len(cells)]
        rng = generator(seed, "choice", index)
        structure, tilts, noise = (str(rng.choice(list(getattr(self, axis)), p=self.weights[axis])) for axis in AXES)
        return Choice(structure, tilts, noise)

    def digest(self, seed: int, version: int) -> str:
        """Twelve hexadecimal digits that name the content of the data set."""
        text = json.dumps([version, seed, self.values], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def scatters(self) -> bool:
        """Whether images come from a scattering calculation: seconds to minutes each, not milliseconds."""
        return TIERS[self.tier["name"]] is not TIERS["linear"]


def _log_uniform(limits: Range, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _without_weights(axis: str, recipes: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(recipes, Mapping) or not recipes:
        raise ConfigError(f"simulation.{axis} is {recipes!r}: give at least one recipe by name")
    for name, recipe in recipes.items():
        if recipe is not None and not isinstance(recipe, Mapping):
            raise ConfigError(f"simulation.{axis}.{name} is {recipe!r}: expected a recipe, or null to leave it out")
    return {
        str(name): {key: value for key, value in recipe.items() if key != "weight"}
        for name, recipe in recipes.items()
        if recipe is not None
    }


def _weights(axis: str, recipes: Mapping[str, Mapping[str, Any] | None]) -> tuple[float, ...]:
    """Relative frequencies that add to one."""
    given = {name: recipe.get("weight", 1) for name, recipe in recipes.items() if recipe is not None}
    raw = np.array([as_range(f"simulation.{axis}.{name}.weight", weight)[0] for name, weight in given.items()])
    if raw.sum() <= 0:
        raise ConfigError(f"simulation.{axis}: the weights add to nothing: leave one above zero")
    return tuple((raw / raw.sum()).tolist())
