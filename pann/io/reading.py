"""What the readers of foreign files hand over, and how damage in such files is reported."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from pann.core.errors import InputError

LENGTHS = {
    "pm": 0.01,
    "picometer": 0.01,
    "å": 1.0,
    "a": 1.0,
    "angstrom": 1.0,
    "ångström": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "um": 1e4,
    "µm": 1e4,
    "μm": 1e4,
    "micron": 1e4,
    "mm": 1e7,
    "m": 1e10,
    "meter": 1e10,
}
"""Å in each unit of length that image files name."""
SQUARE_TOLERANCE = 0.01
PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    MatReadError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RuntimeError,
    StopIteration,
    TokenError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What the parsers of other packages raise when a file is cut short or is not what its suffix says."""


@dataclass(frozen=True)
class Stack:
    """Images as a file holds them, with whatever calibration came along.

    Attributes
    ----------
    images : (n_tilts, nx, ny).
    angles : (n_tilts,) or (n_tilts, 3) [deg], None where the file has none.
    pixel_size : [Å], None where the file has none.
    kind, dose, name : as in `pann.core.TiltSeries`, None where the file does not say.
    metadata : provenance.
    """

    images: NDArray[Any]
    angles: NDArray[Any] | None = None
    pixel_size: float | None = None
    kind: Any = None
    dose: float | None = None
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@contextmanager
def readable(path: Path, what: str, more: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn the errors of a parser inside the block, `more` among them, into one InputError that names `path`."""
    try:
        yield
    except (*PARSER_ERRORS, *more) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{path} is not a readable {what}, or it is damaged: {reason}") from error


def in_angstrom(scale: float, unit: str | None) -> float | None:
    """A pixel of `scale` in `unit` as Å; None where the unit is no length or the scale no size.

    Many files hold float32, of which more than six digits are noise.
    """
    factor = LENGTHS.get((unit or "").strip().lower().removesuffix("s"))
    return float(f"{abs(scale) * factor:.6g}") if factor is not None and scale else None


def square_pixel(sizes: tuple[float | None, ...], path: Path) -> float | None:
    """The common size [Å] of pixel edges; None unless all are known; refuses edges that differ by more than 1 %."""
    known = [size for size in sizes if size]
    if len(known) < len(sizes):
        return None
    if max(known) > (1 + SQUARE_TOLERANCE) * min(known):
        shown = " × ".join(f"{size:g}" for size in known)
        raise InputError(f"{path}: its pixels are {shown} Å: resample the data to square pixels first")
    return known[0]
