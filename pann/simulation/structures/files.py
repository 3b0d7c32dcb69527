"""Structures from files: whole models, and unit cells to cut particles from."""

import warnings
from functools import lru_cache
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import UnknownFileTypeError
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.io import read_atoms
from pann.io.atoms import READABLE
from pann.io.paths import existing_file
from pann.io.reading import readable
from pann.simulation.structures.bonds import typical_distance
from pann.simulation.structures.compounds import nearest_distances
from pann.simulation.structures.cutting import cut
from pann.simulation.structures.element_options import Elements
from pann.simulation.structures.lattices import PROTOTYPES, Lattice
from pann.simulation.structures.options import Real, Text
from pann.simulation.structures.particle import Particle, Request
from pann.simulation.structures.sites import SITES


@lru_cache(maxsize=16)
def read_lattice(path: str) -> Lattice:
    """The crystal of a file with a unit cell; sublattice k holds the k-th element of the file."""
    source = existing_file(path)
    atoms = _read_by_ase(source)
    if abs(atoms.cell.volume) < 1e-6:
        raise InputError(f"{source} has no unit cell: take it as it is with sites: {{kind: file, path: ...}}")
    if len(atoms) == 0 or atoms.numbers.min() < 1:
        raise InputError(f"{source} holds no atoms, or atoms of unknown elements")
    numbers = tuple(int(number) for number in dict.fromkeys(atoms.numbers.tolist()))
    basis = atoms.get_scaled_positions()
    return Lattice(
        np.asarray(atoms.cell[:]),
        basis,
        np.array([numbers.index(int(number)) for number in atoms.numbers]),
        float(np.median(nearest_distances(atoms.cell[:], basis))),
        numbers,
    )


def _read_by_ase(source: Path) -> Atoms:
    """The last structure of a file in any format that ASE knows."""
    with readable(source, "structure file"), warnings.catch_warnings():
        # ASE warns about space group settings, which do not touch the positions
        warnings.simplefilter("ignore", UserWarning)
        try:
            atoms = ase.io.read(source)
        except UnknownFileTypeError as error:
            raise InputError(f"{source}: ASE does not know this format: {error}") from error
    return atoms[-1] if isinstance(atoms, list) else atoms


@SITES.add("file", "shape", "own", path=Text(), types=Elements(None), scale=Real(0.5, 2, 1.0))
def file(request: Request, rng: np.random.Generator, path: str, types: list[str] | None, scale: float) -> Particle:
    """The atoms of a file as they are; the innermost `n_atoms` by the shape where the file holds more.

    Parameters
    ----------
    path : any model that PANN or ASE reads.
    types : elements of the type numbers, for files that name none.
    """
    positions, numbers = read_model(path, None if types is None else tuple(types))
    positions = (positions - positions.mean(axis=0)) * scale
    if len(positions) > request.n_atoms:
        level = request.shape(PROTOTYPES["fcc"])
        positions, numbers = cut((positions, numbers), level, request.n_atoms)
    sublattices = np.unique(numbers, return_inverse=True)[1]
    return Particle(positions, sublattices, typical_distance(positions), numbers)


@lru_cache(maxsize=16)
def read_model(path: str, types: tuple[str, ...] | None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Positions (n, 3) [Å] and atomic numbers (n,) of a file; `types` are the elements of its type numbers."""
    source = existing_file(path)
    if source.suffix.lower() in READABLE:
        model = read_atoms(source, types=None if types is None else list(types))
        positions, numbers = model.positions, model.numbers
    else:
        atoms = _read_by_ase(source)
        positions, numbers = np.asarray(atoms.positions), np.asarray(atoms.numbers, dtype=np.int64)
    if len(positions) == 0:
        raise InputError(f"{source} holds no atoms")
    if numbers.min() < 1:
        raise InputError(f"{source} does not name the elements: give sites.types, such as [Ni, Pt]")
    return positions, numbers
