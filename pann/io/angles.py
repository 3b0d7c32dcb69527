"""Tilt angles from files: MATLAB, NumPy, text, IMOD (.tlt, .rawtlt) and SerialEM (.mdoc)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.io.containers import choose, is_angles, load_arrays
from pann.io.paths import existing_file, known_suffix
from pann.io.reading import readable

TEXT_SUFFIXES = (".txt", ".csv", ".dat", ".tlt", ".rawtlt")
ARRAY_SUFFIXES = (".mat", ".npy", ".npz")
MDOC_ENTRY = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$")
MDOC_SECTION = re.compile(r"^\s*\[ZValue\s*=\s*(\d+)\s*\]")


@dataclass(frozen=True)
class Mdoc:
    """What a SerialEM .mdoc says: angles (n_tilts,) [deg] in the order of the stack, and the pixel size [Å]."""

    angles: NDArray[np.float64] | None
    pixel_size: float | None


def read_angles(path: str | Path, key: str | None = None) -> NDArray[np.float64]:
    """Angles (n,) or (n, 3) [deg] as `path` holds them: .mat .npy .npz .txt .csv .dat .tlt .rawtlt .mdoc.

    Text holds one tilt a line, one number or three (phi, theta, psi). Of a file with several arrays `key` names one.
    """
    source = existing_file(path)
    suffix = known_suffix(source, (*TEXT_SUFFIXES, *ARRAY_SUFFIXES, ".mdoc"), "tilt angles")
    if suffix == ".mdoc":
        angles = read_mdoc(source).angles
        if angles is None:
            raise InputError(f"{source} holds no TiltAngle")
        return angles
    if suffix in TEXT_SUFFIXES:
        return as_rows(read_table(source), source)
    _, array = choose(load_arrays(source), key, is_angles, path=source, what="tilt angles", option="angles_key")
    return as_rows(array, source)


def as_rows(array: NDArray[Any], source: str | Path) -> NDArray[np.float64]:
    """Angles with one row per tilt, from (n,), (n, 1), (1, n), (n, 3) or (3, n); (3, 3) is taken as (n, 3)."""
    angles = np.asarray(array, np.float64)
    if angles.ndim == 2 and 1 in angles.shape:
        return angles.ravel()
    if angles.ndim == 2 and angles.shape[0] == 3 and angles.shape[1] != 3:
        return angles.T
    if angles.ndim == 1 or (angles.ndim == 2 and angles.shape[1] == 3):
        return angles
    raise InputError(f"{source}: angles have shape {angles.shape}: expected (n,), (n, 1), (n, 3) or (3, n)")


def read_table(path: Path) -> NDArray[np.float64]:
    """Numbers of a text file, one row a line, split at blanks, commas or semicolons.

    Lines that start with # or % are comments; lines of words before the first numbers are a heading.
    """
    rows: list[list[float]] = []
    with readable(path, "text file"):
        lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        words = re.split(r"[\s,;]+", line.strip().rstrip(",;"))
        if not words[0] or words[0][0] in "#%":
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            if rows:
                raise InputError(f"{path}, line {number}: expected numbers, found {line.strip()!r}") from None
            continue
        if rows and len(row) != len(rows[0]):
            raise InputError(f"{path}, line {number}: {len(row)} numbers where the first row has {len(rows[0])}")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} holds no numbers")
    return np.array(rows)


def read_mdoc(path: Path) -> Mdoc:
    """Angles and pixel size of a SerialEM .mdoc file (sections ``[ZValue = n]``, in any order)."""
    angles: dict[int, float] = {}
    pixel_size: float | None = None
    section: int | None = None
    with readable(path, "mdoc file"):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if heading := MDOC_SECTION.match(line):
                section = int(heading[1])
            elif entry := MDOC_ENTRY.match(line):
                if entry[1] == "TiltAngle" and section is not None:
                    angles[section] = float(entry[2])
                elif entry[1] == "PixelSpacing":
                    pixel_size = float(entry[2])
    return Mdoc(np.array([angles[section] for section in sorted(angles)]) if angles else None, pixel_size)


def beside(stack: Path) -> tuple[NDArray[np.float64] | None, float | None]:
    """Angles [deg] and pixel size [Å] from the files that IMOD and SerialEM put beside `stack`.

    The refined .tlt is preferred to the nominal .rawtlt, and that to the .mdoc.
    """
    angles, pixel_size = None, None
    for candidate in (Path(f"{stack}.mdoc"), stack.with_suffix(".mdoc")):
        if candidate.is_file():
            mdoc = read_mdoc(candidate)
            angles, pixel_size = mdoc.angles, mdoc.pixel_size
            break
    for candidate in (stack.with_suffix(".tlt"), stack.with_suffix(".rawtlt")):
        if candidate.is_file():
            return as_rows(read_table(candidate), candidate), pixel_size
    return angles, pixel_size
