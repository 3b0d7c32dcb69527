"""Recipes: structures as composable stages, from plain values to atoms.

A recipe is a mapping, as YAML gives it. Its stages, in the order in which they act:

n_atoms       before point defects; a number or a range that is drawn log-uniformly
sites         where atoms can be: a crystal, a cluster, a glass, a file (`pann.simulation.structures.sites`)
shape         of the surface (`shapes`), where the sites are cut
chemistry     which elements, in which pattern (`chemistry`)
defects       planar ones within the crystal (`planar`), then point defects of the particle (`point_defects`)
disorder      strain and displacements (`displacements`)
orientation   (`orientation`)
close_pairs   drop one atom of each pair below 1.5 Å, or refuse the structure

Or `mixture`: recipes by name, each with a `weight`; stages beside it hold for those recipes that lack them.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError, InputError
from pann.simulation.structures import amorphous, clusters, crystal, files
from pann.simulation.structures.chemistry import CHEMISTRY
from pann.simulation.structures.compatibility import check_combination
from pann.simulation.structures.cutting import Block
from pann.simulation.structures.disorder import MINIMUM_DISTANCE, keep_apart
from pann.simulation.structures.displacements import DISORDER
from pann.simulation.structures.lattices import Lattice
from pann.simulation.structures.mixtures import draw_entry, entries
from pann.simulation.structures.options import Option, Real, Text, Word, check_keys
from pann.simulation.structures.orientation import ORIENTATIONS
from pann.simulation.structures.particle import Composition, Request, as_numbers
from pann.simulation.structures.planar import PLANAR
from pann.simulation.structures.point_defects import POINT
from pann.simulation.structures.registry import Kind
from pann.simulation.structures.shapes import SHAPES
from pann.simulation.structures.sites import SITES

log = logging.getLogger(__name__)

REGISTERED = (amorphous, clusters, crystal, files)
"""Modules that register kinds of sites."""

OPTIONS: dict[str, Option] = {
    "name": Text(None),
    "n_atoms": Real(1, 1e6, None, whole=True, log=True),
    "close_pairs": Word(("drop", "refuse"), "drop"),
}
STAGES = ("sites", "shape", "chemistry", "defects", "disorder", "orientation")
DEFAULTS: dict[str, Any] = {
    "shape": "sphere",
    "chemistry": "stoichiometric",
    "defects": {},
    "disorder": {},
    "orientation": "random",
}

CONCENTRATION = 3.0
"""Of the Dirichlet distribution that compositions are drawn from: 1 is uniform, larger is nearer to equal shares."""


def check_recipe(recipe: Mapping[str, Any]) -> None:
    """Raise ConfigError where `recipe` names unknown things, misspells options or asks for the impossible.

    Files that it names are read, so a damaged one is an InputError here and not within a long run.
    """
    check_keys("structure", recipe, (*OPTIONS, *STAGES, "mixture"))
    if recipe.get("mixture") is not None:
        for entry in entries(recipe).values():
            check_recipe(entry)
        return
    if recipe.get("sites") is None:
        raise ConfigError(f"structure: sites are not given; choose from {', '.join(SITES.kinds)}, or give a mixture")
    for key, option in OPTIONS.items():
        option.check(f"structure.{key}", recipe.get(key, option.default))
    stages = _stages(recipe)
    for key, registry in (("sites", SITES), ("shape", SHAPES), ("chemistry", CHEMISTRY), ("orientation", ORIENTATIONS)):
        registry.check(stages[key])
    check_keys("defects", stages["defects"], (*PLANAR.kinds, *POINT.kinds))
    for name, values in stages["defects"].items():
        if values is not None:
            kind = _defect(name)
            kind.check(f"defects.{name}", _long_form(kind, values))
    DISORDER.check("disorder", stages["disorder"])
    check_combination(recipe, stages)


def build_structure(recipe: Mapping[str, Any], rng: np.random.Generator) -> AtomicModel:
    """The particle that `recipe` describes, drawn with `rng`.

    The same recipe and state of the generator give the same atoms.

    Returns
    -------
    A model centred at zero, positions [Å]. Its metadata are plain values: what was drawn at each stage,
    ``thermal_sigma`` [Å] by atomic number (empty where the recipe gives none) and ``dropped_close_pairs``.
    """
    if recipe.get("mixture") is not None:
        check_keys("structure", recipe, (*OPTIONS, *STAGES, "mixture"))
        return _build_one_of(recipe, rng)
    check_recipe(recipe)
    stages = _stages(recipe)
    values = {key: option.draw(recipe.get(key, option.default), rng) for key, option in OPTIONS.items()}
    chemistry, mixed = CHEMISTRY.draw(stages["chemistry"], rng)
    composition, pattern = _composition(chemistry, mixed, rng)
    sites, where = SITES.draw(stages["sites"], rng)
    shape, form = SHAPES.draw(stages["shape"], rng)
    defects = {
        name: _defect(name).draw(_long_form(_defect(name), given), rng)
        for name, given in stages["defects"].items()
        if given is not None
    }
    request = Request(
        n_atoms=values["n_atoms"] if values["n_atoms"] is not None else 10**7,
        composition=composition,
        shape=lambda lattice: shape.build(lattice, rng, **form),
        planar=partial(_with_planar, defects=defects, rng=rng),
    )
    particle = sites.build(request, rng, **where)
    if "mixed" not in sites.traits:
        particle = particle.with_numbers(chemistry.build(particle, composition, rng, **pattern))
    for name, drawn in defects.items():
        if name in POINT.kinds:
            particle = POINT.kinds[name].build(particle, rng, **drawn)
    if not len(particle):
        raise InputError("structure: the defects left no atom: ask for more atoms or fewer defects")
    displaced, moved = DISORDER.build(
        particle.positions, particle.elements, rng, **DISORDER.draw(stages["disorder"], rng)
    )
    orientation, turned = ORIENTATIONS.draw(stages["orientation"], rng)
    rotation = orientation.build(particle.lattice, rng, **turned)
    name = str(values["name"] or where.get("lattice") or where.get("family") or sites.name)
    positions, numbers, dropped = _apart(displaced, particle.elements, values["close_pairs"], name)
    metadata = {
        "n_atoms": values["n_atoms"],
        "sites": {"kind": sites.name} | where | (particle.drawn or {}),
        "bond": float(particle.bond),
        "shape": {"kind": shape.name} | form if "shape" in sites.traits else None,
        "chemistry": {"kind": chemistry.name} | mixed | _mixture_of(composition),
        "defects": defects,
        "disorder": {key: value for key, value in moved.items() if key != "thermal_sigma"},
        "orientation": {"kind": orientation.name} | turned | {"rotation": rotation.tolist()},
        "thermal_sigma": moved["thermal_sigma"],
        "dropped_close_pairs": dropped,
    }
    positions = (positions - positions.mean(axis=0)) @ rotation.T
    return AtomicModel(positions - positions.mean(axis=0), numbers, name=name, metadata=metadata)


def _stages(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The stages of a recipe, with the defaults for those that it lacks or sets to null."""
    given = {key: recipe[key] for key in STAGES if recipe.get(key) is not None}
    return DEFAULTS | given


def _build_one_of(recipe: Mapping[str, Any], rng: np.random.Generator) -> AtomicModel:
    name, entry = draw_entry(recipe, rng)
    model = build_structure(entry, rng)
    path = [name, *model.metadata.get("mixture", [])]
    return model.replace(metadata=model.metadata | {"mixture": path})


def _defect(name: str) -> Kind[Any]:
    return PLANAR.kinds[name] if name in PLANAR.kinds else POINT.kinds[name]


def _long_form(kind: Kind[Any], values: Any) -> Mapping[str, Any]:
    """The options of a defect; a bare number or range is its first option."""
    return values if isinstance(values, Mapping) else {next(iter(kind.options)): values}


def _composition(
    chemistry: Kind[Any], mixed: dict[str, Any], rng: np.random.Generator
) -> tuple[Composition, dict[str, Any]]:
    """What the particle is made of, and the options of the pattern that are not about that."""
    pattern = {key: value for key, value in mixed.items() if key not in ("elements", "fractions", "anions")}
    elements = as_numbers(mixed.get("elements"))
    given = mixed.get("fractions")
    shares = (
        rng.dirichlet(np.full(len(elements), CONCENTRATION)) if given is None and elements else np.array(given or [])
    )
    anions = [number for number in as_numbers(mixed.get("anions")) if number not in elements]
    anion = int(rng.choice(anions)) if anions else None
    fractions = tuple(float(share) for share in shares / max(shares.sum(), 1e-12))
    return Composition(elements, fractions, "by_site" in chemistry.traits, anion), pattern


def _mixture_of(composition: Composition) -> dict[str, Any]:
    """The composition as plain values, for the record."""
    anion = None if composition.anion is None else chemical_symbols[composition.anion]
    return {"fractions": list(composition.fractions), "anion": anion}


def _with_planar(
    block: Block, lattice: Lattice, size: float, *, defects: Mapping[str, Any], rng: np.random.Generator
) -> Block:
    for name, drawn in defects.items():
        if name in PLANAR.kinds:
            block = PLANAR.kinds[name].build(block, lattice, size, rng, **drawn)
    return block


def _apart(
    positions: NDArray[np.float64], numbers: NDArray[np.int64], policy: str, name: str
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Atoms without pairs closer than `MINIMUM_DISTANCE`, and how many were dropped for that."""
    heavy_first = np.argsort(-numbers, kind="stable")
    keep = np.zeros(len(positions), dtype=bool)
    keep[heavy_first] = keep_apart(positions[heavy_first])
    dropped = int((~keep).sum())
    if dropped and policy == "refuse":
        raise InputError(
            f"{name}: {dropped} atoms are closer than {MINIMUM_DISTANCE} Å to another: "
            "mend the structure, or set close_pairs: drop"
        )
    if dropped:
        log.info("%s: dropped %d atoms closer than %.1f Å to another", name, dropped, MINIMUM_DISTANCE)
    return positions[keep], numbers[keep], dropped
