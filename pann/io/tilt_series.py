"""Tilt series in and out, by the suffix of the file."""

from pathlib import Path

from pann.core import TiltSeries
from pann.io import hdf5
from pann.io.paths import existing_file, known_suffix

HDF5_SUFFIXES = (".h5", ".hdf5")


def read_tilt_series(path: str | Path) -> TiltSeries:
    """Read a tilt series from `path` (.h5)."""
    source = existing_file(path)
    known_suffix(source, HDF5_SUFFIXES, "a tilt series")
    return hdf5.read_series(source)


def write_tilt_series(path: str | Path, series: TiltSeries) -> None:
    """Write `series` to `path` (.h5), with units and in a layout that carries a version; see `pann.io.hdf5`."""
    target = Path(path)
    known_suffix(target, HDF5_SUFFIXES, "a tilt series that PANN writes")
    hdf5.write_series(target, series)
