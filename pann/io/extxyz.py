"""Extended XYZ: one atom a row, the columns named in the second line.

Ours has ``species:S:1:pos:R:3`` and, where known, ``probability:R:1``, ``sigma:R:1`` [Å], ``covariance:R:9`` [Å²,
xx xy xz yx ...], ``intensity:R:1``; numbers are written so that float64 comes back exactly. Columns of other names are
passed over; other keys of the second line become metadata.
Format: https://github.com/libAtoms/extxyz
"""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, InputError
from pann.core.files import atomic_path
from pann.io.plain import from_json, to_json
from pann.io.reading import readable
from pann.io.species import Types, species_numbers

PAIR = re.compile(r'([^\s="]+|"(?:[^"\\]|\\.)*")\s*=\s*("(?:[^"\\]|\\.)*"|\{[^}]*\}|\S*)')
PLAIN_COLUMNS = {"species": (0, 1), "pos": (1, 3)}
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def write_extxyz(path: Path, model: AtomicModel) -> None:
    """Write `model` to `path`; every array comes back exactly from `read_extxyz`."""
    columns = ["species:S:1", "pos:R:3"]
    numbers = [model.positions]
    for label, values in (
        ("probability:R:1", model.probabilities),
        ("sigma:R:1", model.sigma),
        ("covariance:R:9", model.covariance),
        ("intensity:R:1", model.intensities),
    ):
        if values is not None:
            columns.append(label)
            numbers.append(values.reshape(len(model), -1))
    table = np.concatenate(numbers, axis=1).tolist()
    header = f'Properties={":".join(columns)} name={_quoted(model.name)} unit="angstrom" pbc="F F F"'
    if model.metadata:
        header += f" metadata={_quoted(to_json(model.metadata, model.name))}"
    lines = [str(len(model)), header]
    lines += [f"{symbol} {' '.join(map(repr, row))}" for symbol, row in zip(model.species, table, strict=True)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_extxyz(path: Path, types: Types | None = None) -> AtomicModel:
    """Read the first frame of an extended or plain XYZ file (.xyz or .xyz.gz).

    `types` names the element of each type number, where the species column holds numbers.
    """
    lines = _text(path).splitlines()
    try:
        n_atoms = int(lines[0])
    except (IndexError, ValueError):
        raise InputError(f"{path}: the first line of an XYZ file must be the number of atoms") from None
    rows = [line.split() for line in lines[2 : 2 + n_atoms]]
    if n_atoms < 0 or len(rows) < n_atoms:
        raise InputError(f"{path}: the first line says {n_atoms} atoms, the file holds {len(rows)}: it is cut short")
    header = _parse_header(lines[1])
    columns = _columns(header.pop("Properties", None), path)
    width = max(start + count for start, count in columns.values())
    short = next((k for k, row in enumerate(rows) if len(row) < width), None)
    if short is not None:
        raise InputError(f"{path}, line {short + 3}: {len(rows[short])} columns where {width} are expected")

    def read(column: str) -> NDArray[np.float64] | None:
        if column not in columns:
            return None
        start, count = columns[column]
        try:
            values = np.array([row[start : start + count] for row in rows], dtype=np.float64)
        except ValueError as error:
            raise InputError(f"{path}: the column {column} holds something that is no number: {error}") from error
        return values.reshape(n_atoms, count)

    positions = read("pos")
    if positions is None or positions.shape[1] != 3:
        raise InputError(f"{path}: no column pos:R:3 among {', '.join(columns)}")
    labels = [row[columns["species"][0]] for row in rows] if "species" in columns else ["X"] * n_atoms
    probability, intensity = read("probability"), read("intensity")
    return AtomicModel(
        positions,
        species_numbers(labels, types, path),
        None if probability is None else probability[:, 0],
        _covariance(read("covariance"), read("sigma")),
        None if intensity is None else intensity[:, 0],
        name=header.pop("name", path.name.removesuffix(".gz").removesuffix(".xyz")),
        metadata=_metadata(header, path),
    )


def _text(path: Path) -> str:
    with readable(path, "text file"):
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("utf-8")


def _columns(properties: str | None, path: Path) -> dict[str, tuple[int, int]]:
    """First index and number of columns by name; of a plain XYZ file without `properties`."""
    if properties is None:
        return PLAIN_COLUMNS
    fields = properties.split(":")
    columns, start = {}, 0
    try:
        for name, _, count in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
            columns[name] = (start, int(count))
            start += int(count)
    except ValueError:
        raise InputError(f"{path}: Properties={properties} is not of the form name:type:count:...") from None
    return columns


def _covariance(
    covariance: NDArray[np.float64] | None, sigma: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    if covariance is not None:
        return covariance.reshape(-1, 3, 3)
    return None if sigma is None else sigma[:, :, None] ** 2 * np.eye(3)


def _metadata(header: dict[str, str], path: Path) -> dict[str, Any]:
    ours = from_json(header.pop("metadata"), str(path)) if header.get("metadata", "").startswith("{") else {}
    return {key: value for key, value in header.items() if key not in ("pbc", "unit")} | ours


def _parse_header(line: str) -> dict[str, str]:
    """The ``key=value`` pairs of the second line; quotes and their escapes removed."""
    return {_unquoted(key): _unquoted(value) for key, value in PAIR.findall(line)}


def _quoted(text: str) -> str:
    for character, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escape)
    return f'"{text}"'


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1])
