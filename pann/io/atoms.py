"""Atomic models in and out, by the suffix of the file."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from pann.core import AtomicModel, InputError
from pann.core.files import atomic_path
from pann.io import structures
from pann.io.containers import Arrays, choose, load_arrays
from pann.io.extxyz import read_extxyz, write_extxyz
from pann.io.paths import existing_file, known_suffix
from pann.io.reading import readable
from pann.io.species import Types, species_numbers

TEXT_SUFFIXES = (".txt", ".csv", ".dat")
LAMMPS_SUFFIXES = (".lmp", ".data", ".lammps")
READABLE = (".xyz", ".gz", ".cif", ".pdb", ".mat", ".npz", *LAMMPS_SUFFIXES, *TEXT_SUFFIXES)
WRITABLE = (".xyz", ".cif", ".pdb", ".mat")
PER_ATOM = ("probabilities", "covariance", "intensities")
TYPE_NAMES = re.compile("type|species", re.IGNORECASE)


def read_atoms(
    path: str | Path,
    *,
    types: Types | None = None,
    key: str | None = None,
    pixel_size: float | None = None,
    name: str | None = None,
) -> AtomicModel:
    """Read an atomic model, positions in Å.

    Parameters
    ----------
    path : .xyz and .xyz.gz (extended or plain), .cif, .pdb, LAMMPS data (.lmp .data .lammps), .mat and .npz (an array
        (3, n) or (n, 3)), or text (.txt .csv .dat) with rows ``species x y z`` or ``x y z``.
    types : elements of the type numbers of the file, ``["Ni", "Pt"]`` or ``{1: "Ni"}``; unknown (0) without it.
    key : name of the array of positions, where .mat or .npz hold several.
    pixel_size : [Å], for files that hold positions in pixels.
    name : of the model; the file's own or its stem where not given.
    """
    source = existing_file(path)
    suffix = known_suffix(source, READABLE, "an atomic model")
    if suffix in (".xyz", ".gz"):
        model = read_extxyz(source, types)
    elif suffix in (".mat", ".npz"):
        model = _from_arrays(source, load_arrays(source), types, key)
    elif suffix in TEXT_SUFFIXES:
        model = _from_text(source, types)
    elif suffix in LAMMPS_SUFFIXES:
        model = structures.read_lammps(source, types)
    else:
        model = structures.read_cif(source) if suffix == ".cif" else structures.read_pdb(source)
    if pixel_size is not None:
        model = model.replace(positions=model.positions * pixel_size)
    return model if name is None else model.replace(name=name)


def write_atoms(path: str | Path, model: AtomicModel) -> None:
    """Write `model` to .xyz (everything, without loss), .mat (arrays), .cif or .pdb (positions and elements only).

    All keep the frame of the reconstruction, so atoms have negative coordinates; .pdb rounds to 0.001 Å.
    """
    target = Path(path)
    match known_suffix(target, WRITABLE, "an atomic model that PANN writes"):
        case ".xyz":
            write_extxyz(target, model)
        case ".mat":
            arrays: dict[str, Any] = {"model": model.positions.T, "numbers": model.numbers[None]}
            arrays |= {item: getattr(model, item) for item in PER_ATOM if getattr(model, item) is not None}
            with atomic_path(target) as temporary:
                savemat(temporary, arrays, do_compression=True)
        case suffix:
            structures.write_structure(target, model, suffix)


def _is_positions(array: NDArray[Any]) -> bool:
    return array.ndim == 2 and 3 in array.shape


def _from_arrays(path: Path, arrays: Arrays, types: Types | None, key: str | None) -> AtomicModel:
    """A model out of named arrays: ours, or the (3, n) and type arrays of the field's MATLAB programs."""
    used, positions = choose(arrays, key, _is_positions, path=path, what="(3, n) or (n, 3) array", option="key")
    if not _is_positions(positions):
        raise InputError(f"{path}: {used} has shape {positions.shape}: expected (3, n) or (n, 3)")
    points = positions if positions.shape[1] == 3 and positions.shape[0] != 3 else positions.T
    n = len(points)
    per_atom = {item: arrays[item] for item in PER_ATOM if item in arrays}
    return AtomicModel(
        points,
        _numbers(path, {label: array for label, array in arrays.items() if array.size == n}, types),
        **{item: array if item == "covariance" else array.ravel() for item, array in per_atom.items()},
        name=path.stem,
        metadata={"source": path.name, "array": used},
    )


def _numbers(path: Path, columns: Arrays, types: Types | None) -> NDArray[np.int64] | None:
    """Atomic numbers from the array called so, else from the first whole-number array called a type."""
    if "numbers" in columns:
        return columns["numbers"].ravel().astype(np.int64)
    for label, column in columns.items():
        if TYPE_NAMES.search(label) and np.array_equal(column, np.rint(column)):
            return species_numbers([str(int(number)) for number in column.ravel()], types, path)
    return None


def _from_text(path: Path, types: Types | None) -> AtomicModel:
    """Rows ``species x y z`` or ``x y z``; lines that start with # or % are comments."""
    with readable(path, "text file"):
        lines = path.read_text(encoding="utf-8").splitlines()
    labels: list[str] = []
    points: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        words = re.split(r"[\s,;]+", line.strip().rstrip(",;"))
        if not words[0] or words[0][0] in "#%":
            continue
        try:
            points.append([float(word) for word in words[-3:]])
        except ValueError:
            points.append([])
        if len(points[-1]) != 3 or len(words) > 4:
            raise InputError(f"{path}, line {number}: expected `species x y z` or `x y z`, found {line.strip()!r}")
        labels.append(words[0] if len(words) == 4 else "X")
    if not points:
        raise InputError(f"{path} holds no atoms")
    return AtomicModel(points, species_numbers(labels, types, path), name=path.stem, metadata={"source": path.name})
