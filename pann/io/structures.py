"""Crystallographic and simulation files through ASE: CIF, PDB, LAMMPS data."""

import warnings
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.io.cif import CIFBlock, NoStructureData, parse_cif
from ase.io.lammpsdata import read_lammps_data
from ase.io.proteindatabank import read_proteindatabank
from numpy.typing import NDArray

from pann.core import AtomicModel, InputError
from pann.core.files import atomic_path
from pann.io.reading import readable
from pann.io.species import Types, species_numbers

PADDING = 10.0
"""Vacuum [Å] around a particle in the box that CIF needs."""
IDENTITY = ["x,y,z"]
SYMMETRY_TAGS = ("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz")


def read_cif(path: Path) -> AtomicModel:
    """Atoms of the first structure of a CIF file, with its symmetry applied.

    Without symmetry the coordinates are taken as they are, not folded into the cell.
    """
    with readable(path, "CIF file"), path.open("rb") as file, warnings.catch_warnings():
        # ASE warns about space group settings, which do not touch the positions
        warnings.simplefilter("ignore", UserWarning)
        block = next(iter(parse_cif(file)))
        try:
            atoms = _without_symmetry(block) or block.get_atoms()
        except NoStructureData as error:
            raise InputError(f"{path} holds no structure: {error}") from error
    return _model(atoms, path)


def read_pdb(path: Path) -> AtomicModel:
    """Atoms of the first model of a PDB file."""
    with readable(path, "PDB file"), path.open(encoding="utf-8") as file:
        atoms = read_proteindatabank(file, index=0)
    if not len(atoms):
        raise InputError(f"{path} holds no atoms")
    return _model(atoms, path)


def read_lammps(path: Path, types: Types | None = None) -> AtomicModel:
    """Atoms of a LAMMPS data file (units metal or real: Å).

    Elements come from `types`, else from the labels or masses of the file, else they are unknown.
    """
    with readable(path, "LAMMPS data file"):
        text = path.read_text(encoding="utf-8")
        # files without a style comment are mostly of style atomic, where ASE expects full
        style = None if "Atoms #" in " ".join(text.split()) else "atomic"
        with path.open(encoding="utf-8") as file:
            atoms = read_lammps_data(file, atom_style=style)
    model = _model(atoms, path)
    if types is not None:
        labels = [str(number) for number in atoms.arrays["type"]]
        return model.replace(numbers=species_numbers(labels, types, path))
    named = "Masses" in text or "Atom Type Labels" in text
    return model if named else model.replace(numbers=np.zeros(len(model), np.int64))


def write_structure(path: Path, model: AtomicModel, suffix: str) -> None:
    """Write positions and elements to .cif or .pdb, in the frame of the model."""
    atoms = Atoms(numbers=model.numbers, positions=model.positions)
    with atomic_path(path) as temporary:
        if suffix == ".cif":
            atoms.set_cell(_box(model.positions))
            ase.io.write(temporary, atoms, format="cif", wrap=False)
        else:
            ase.io.write(temporary, atoms, format="proteindatabank")


def _box(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges (3,) [Å] of a box that holds the atoms and some vacuum."""
    return np.ptp(positions, axis=0) + PADDING if len(positions) else np.full(3, PADDING)


def _without_symmetry(block: CIFBlock) -> Atoms | None:
    """The atoms as listed when the identity is the only symmetry operation (ASE compares all pairs, which is slow)."""
    operations: Any = next((block[tag] for tag in SYMMETRY_TAGS if tag in block), None)
    if operations is None or ["".join(text.split()) for text in operations] != IDENTITY:
        return None
    return block.get_unsymmetrized_structure()


def _model(atoms: Atoms, path: Path) -> AtomicModel:
    return AtomicModel(atoms.positions, atoms.numbers, name=path.stem, metadata={"source": path.name})
