"""Atomic models in and out, by the suffix of the file."""

from pathlib import Path

from pann.core import AtomicModel
from pann.io.extxyz import read_extxyz, write_extxyz
from pann.io.paths import existing_file, known_suffix
from pann.io.species import Types


def read_atoms(path: str | Path, *, types: Types | None = None) -> AtomicModel:
    """Read an atomic model from `path` (.xyz)."""
    source = existing_file(path)
    known_suffix(source, (".xyz", ".gz"), "an atomic model")
    return read_extxyz(source, types)


def write_atoms(path: str | Path, model: AtomicModel) -> None:
    """Write `model` to `path` (.xyz)."""
    target = Path(path)
    known_suffix(target, (".xyz",), "an atomic model")
    write_extxyz(target, model)
