"""Which stages of a recipe go together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import covalent_radii

from pann.core.errors import ConfigError
from pann.simulation.structures.bonds import lattice_bond
from pann.simulation.structures.chemistry import ANIONS, CHEMISTRY
from pann.simulation.structures.compounds import COMPOUNDS, compound
from pann.simulation.structures.disorder import MINIMUM_DISTANCE
from pann.simulation.structures.element_options import Elements
from pann.simulation.structures.files import read_lattice, read_model
from pann.simulation.structures.lattices import PROTOTYPES, Lattice
from pann.simulation.structures.options import is_list
from pann.simulation.structures.orientation import ORIENTATIONS
from pann.simulation.structures.particle import as_numbers
from pann.simulation.structures.planar import PLANAR
from pann.simulation.structures.shapes import SHAPES
from pann.simulation.structures.sites import SITES

ORDERED = "l10, l12 or b2"


def check_combination(recipe: Mapping[str, Any], stages: Mapping[str, Any]) -> None:
    """Raise ConfigError where stages that are right by themselves cannot go together."""
    kinds = SITES.candidates(stages["sites"])
    names = ", ".join(kind.name for kind in kinds)
    lattices = _lattices(stages["sites"])
    _check_files(stages["sites"])
    if recipe.get("n_atoms") is None and any(kind.name != "file" for kind in kinds):
        raise ConfigError("structure: n_atoms is not given: a number, or a range [low, high]")
    planar = [name for name, given in stages["defects"].items() if given is not None and name in PLANAR.kinds]
    if planar and not all("block" in kind.traits for kind in kinds):
        raise ConfigError(f"defects.{planar[0]}: only sites of kind crystal or crystal_file can have it, not {names}")
    if recipe.get("shape") is not None and not all("shape" in kind.traits for kind in kinds):
        raise ConfigError(f"shape: sites of kind {names} have a shape of their own: leave it out")
    shapes = SHAPES.candidates(stages["shape"])
    if any("layered" in shape.traits for shape in shapes) and not (
        lattices and all(lattice.layers is not None for lattice in lattices.values())
    ):
        layered = ", ".join(name for name in COMPOUNDS if compound(name).layers is not None)
        raise ConfigError(f"shape: a flake needs a layered crystal ({layered}), not {', '.join(lattices) or names}")
    turned = [kind.name for kind in ORIENTATIONS.candidates(stages["orientation"]) if "crystal" in kind.traits]
    loose = [kind.name for kind in kinds if "amorphous" in kind.traits]
    if turned and loose:
        raise ConfigError(f"orientation: {loose[0]} has no zone axes for {turned[0]}: use random or identity")
    _check_chemistry(stages, lattices)
    _check_spacing(stages, lattices)


def _lattices(sites: Any) -> dict[str, Lattice]:
    """The lattices that crystal sites may draw, by name."""
    words = sites.get("lattice") if isinstance(sites, Mapping) else None
    names = list(words) if words is not None and is_list(words) else [words]
    return {name: PROTOTYPES.get(name) or compound(name) for name in names if name in (*PROTOTYPES, *COMPOUNDS)}


def _check_files(sites: Any) -> None:
    """Read the files, so that a damaged one is found now."""
    for kind in SITES.candidates(sites):
        if kind.name == "file":
            types = sites.get("types")
            read_model(sites["path"], None if types is None else tuple(types))
        elif kind.name == "crystal_file":
            read_lattice(sites["path"])


def _check_chemistry(stages: Mapping[str, Any], lattices: Mapping[str, Lattice]) -> None:
    """Elements are known, and as many as there are sublattices for."""
    given = stages["chemistry"]
    values = given if isinstance(given, Mapping) else {}
    sites = SITES.candidates(stages["sites"])
    bare = [kind.name for kind in sites if "own" not in kind.traits and kind.name != "crystal"]
    bare += [name for name, lattice in lattices.items() if lattice.numbers is None]
    for kind in CHEMISTRY.candidates(given):
        if "own" in kind.traits and bare:
            raise ConfigError(f"chemistry: {bare[0]} has no elements of its own: give a kind and elements")
        if "by_site" in kind.traits:
            if len(lattices) == 0 or any(site.name != "crystal" for site in sites):
                raise ConfigError(
                    f"chemistry: {kind.name} needs the sublattices of a crystal ({', '.join(PROTOTYPES)})"
                )
            _check_sublattices(kind.name, values, lattices)
        if kind.name != "random" and any("mixed" in site.traits for site in sites):
            raise ConfigError(f"chemistry: a glass takes the kind random, not {kind.name}: its atoms differ in size")
    elements, fractions = values.get("elements"), values.get("fractions")
    if fractions is not None and (isinstance(elements, Mapping) or len(fractions) != len(elements or [])):
        raise ConfigError(
            f"chemistry.fractions is {fractions!r}: give one for each of a fixed list of elements, or leave it out"
        )


def _check_sublattices(kind: str, values: Mapping[str, Any], lattices: Mapping[str, Lattice]) -> None:
    for name, lattice in lattices.items():
        if kind == "compound":
            if lattice.pair is None:
                known = ", ".join(key for key, item in PROTOTYPES.items() if item.pair is not None)
                raise ConfigError(f"chemistry: {name} has no sublattice for an anion; choose from {known}")
        elif lattice.n_sublattices < 2 or Elements().most(values["elements"]) > lattice.n_sublattices:
            raise ConfigError(
                f"chemistry: {name} has {lattice.n_sublattices} sublattices: "
                f"{Elements().most(values['elements'])} elements cannot be ordered on them"
            )


def _check_spacing(stages: Mapping[str, Any], lattices: Mapping[str, Lattice]) -> None:
    """No crystal is so small that its atoms would touch, whatever is drawn."""
    sites = stages["sites"]
    if not isinstance(sites, Mapping):
        return
    edge, scale = sites.get("lattice_constant"), float(np.min(sites.get("scale", 1.0)))
    for name, lattice in lattices.items():
        if edge is not None:
            bond = lattice.bond * float(np.min(edge)) / float(lattice.cell[0, 0])
        else:
            bond = lattice.bond if lattice.numbers is not None else _shortest(stages["chemistry"], lattice)
        if bond * scale < MINIMUM_DISTANCE:
            raise ConfigError(
                f"sites: atoms of {name} would be {bond * scale:.2f} Å apart, less than {MINIMUM_DISTANCE} Å: "
                "give a larger lattice_constant [Å] or scale, or other elements"
            )


def _shortest(chemistry: Mapping[str, Any], lattice: Lattice) -> float:
    """Nearest-neighbour distance [Å] of a prototype with the smallest of the elements that may be drawn."""
    cations = as_numbers(Elements().table(chemistry["elements"]))
    if any(kind.name == "compound" for kind in CHEMISTRY.candidates(chemistry)):
        anions = as_numbers(Elements().table(chemistry.get("anions", ANIONS)))
        return float(sum(covalent_radii[list(numbers)].min() for numbers in (cations, anions)))
    return min(lattice_bond(lattice, [number], [1.0], by_site=False) for number in cations)
