"""Sites cut out of a crystal: prototypes with the elements of the recipe, named compounds, and crystal files."""

from functools import lru_cache
from typing import Any

import numpy as np

from pann.core.errors import ConfigError
from pann.simulation.structures.bonds import axis_ratio, lattice_bond
from pann.simulation.structures.compounds import COMPOUNDS, compound
from pann.simulation.structures.cutting import Block, cut_block, sphere_radius
from pann.simulation.structures.disorder import MINIMUM_DISTANCE
from pann.simulation.structures.files import read_lattice
from pann.simulation.structures.lattices import PROTOTYPES, Lattice, Sites
from pann.simulation.structures.options import Real, Text, Word
from pann.simulation.structures.particle import Composition, Particle, Request
from pann.simulation.structures.sites import SITES

_SCALES = {
    "scale": Real(0.8, 1.3, 1.0),
    "lattice_constant": Real(1, 60, None),
    "c_over_a": Real(0.5, 2, 1.0),
}


@SITES.add(
    "crystal",
    "block",
    "shape",
    lattice=Word((*PROTOTYPES, *COMPOUNDS)),
    centre=Word(("random", "site"), "random"),
    **_SCALES,
)
def crystal(
    request: Request,
    rng: np.random.Generator,
    lattice: str,
    centre: str,
    scale: float,
    lattice_constant: float | None,
    c_over_a: float,
) -> Particle:
    """A particle cut out of a crystal.

    Parameters
    ----------
    lattice : a prototype, whose elements the chemistry names, or a compound with its own.
    centre : what lies at the middle of the shape: a random point of the cell, or its first site.
    scale : factor on all lengths.
    lattice_constant : edge a [Å]; without it that of the compound, or what follows from the elements.
    c_over_a : factor on the third edge; hcp metals have their own c/a already.
    """
    chosen = sized_lattice(lattice, request.composition, lattice_constant).stretched(scale, c_over_a)
    if chosen.bond < MINIMUM_DISTANCE:
        raise ConfigError(
            f"sites: atoms of {lattice} would be {chosen.bond:.2f} Å apart, less than {MINIMUM_DISTANCE} Å: "
            "give a larger scale or lattice_constant"
        )
    return cut_particle(chosen, request, centre, rng)


@SITES.add("crystal_file", "block", "shape", "own", path=Text(), centre=Word(("random", "site"), "random"), **_SCALES)
def crystal_file(
    request: Request,
    rng: np.random.Generator,
    path: str,
    centre: str,
    scale: float,
    lattice_constant: float | None,
    c_over_a: float,
) -> Particle:
    """A particle cut out of the crystal in a file with a unit cell (CIF and others that ASE reads)."""
    cell = read_lattice(path)
    factor = 1.0 if lattice_constant is None else lattice_constant / float(np.linalg.norm(cell.cell[0]))
    return cut_particle(cell.stretched(factor * scale, c_over_a), request, centre, rng)


def sized_lattice(name: str, composition: Composition, lattice_constant: float | None) -> Lattice:
    """A prototype or compound with its lengths in Å."""
    if name in COMPOUNDS:
        own = compound(name)
        return own if lattice_constant is None else own.stretched(lattice_constant / float(own.cell[0, 0]))
    prototype = PROTOTYPES[name]
    if lattice_constant is not None:
        return prototype.stretched(lattice_constant)
    elements, fractions = composition.elements, composition.fractions
    if composition.by_site:
        elements = composition.occupants(prototype.n_sublattices)
    factor = lattice_bond(prototype, elements, fractions, composition.by_site) / prototype.bond
    return prototype.stretched(factor, axis_ratio(elements, fractions) if name == "hcp" else 1.0)


def cut_particle(lattice: Lattice, request: Request, centre: str, rng: np.random.Generator) -> Particle:
    """`request.n_atoms` sites of `lattice` with the planar defects and the shape of the request."""
    origin = rng.random(3) if centre == "random" else lattice.basis[0].copy()
    if lattice.layers is not None:
        origin[2] = lattice.layers[0]
    size = sphere_radius(request.n_atoms, lattice.density)
    block = request.planar(_block(lattice, origin), lattice, size)
    level = request.shape(lattice)
    positions, sublattices = cut_block(block, level, request.n_atoms, lattice.density, lattice.bond)
    numbers = None if lattice.numbers is None else np.asarray(lattice.numbers, dtype=np.int64)[sublattices]
    return Particle(positions, sublattices, lattice.bond, numbers, lattice)


def _block(lattice: Lattice, origin: Any) -> Block:
    """The crystal about zero; planar defects ask for the same radius again and again."""

    @lru_cache(maxsize=8)
    def block(radius: float) -> Sites:
        return lattice.ball(radius, origin)

    return block
