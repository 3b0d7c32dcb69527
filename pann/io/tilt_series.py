"""Tilt series in and out, by the suffix of the file."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core import InputError, NoiseKind, TiltSeries
from pann.io import containers, hdf5, microscope, mrc
from pann.io.angles import as_rows, read_angles
from pann.io.paths import existing_file, known_suffix
from pann.io.reading import Stack

HDF5_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (*containers.SUFFIXES, *mrc.SUFFIXES, *microscope.TIFF_SUFFIXES, *microscope.ROSETTA_READERS)
WHOLE_TOLERANCE = 1e-3
"""Values closer than this to whole numbers are counts that went through floating point."""
PIXEL_TOLERANCE = 0.01


def read_tilt_series(
    path: str | Path,
    *,
    angles: str | Path | Sequence[Any] | NDArray[Any] | None = None,
    pixel_size: float | None = None,
    kind: NoiseKind | None = None,
    dose: float | None = None,
    angle_sign: int = 1,
    key: str | None = None,
    angles_key: str | None = None,
    views_axis: int | None = None,
    name: str | None = None,
) -> TiltSeries:
    """Read a tilt series; every option given replaces what the file says.

    Which file axis becomes which: .mat holds [x, y, tilt]; .npy, .npz and HDF5 hold [tilt, x, y]; MRC, TIFF and the
    formats of microscopes hold [tilt, row, column] with x = column, y = row. y is the tilt axis.

    Parameters
    ----------
    path : .h5 and .hdf5 (ours, or any with a 3D array), .mat (v5, v7.3), .mrc .mrcs .st .ali .rec .map, .tif .tiff,
        .npy .npz, .emd, .dm3 .dm4, .ser .emi, .hspy.
    angles : a file (`pann.io.angles`), or values (n_tilts,) or (n_tilts, 3) [deg]; None takes them from the file itself
        or, for MRC, from the .tlt, .rawtlt or .mdoc beside it.
    pixel_size : [Å].
    kind : "counts" or "intensity"; None means counts if all values are non-negative whole numbers.
    dose : [e/Å² per projection].
    angle_sign : -1 negates theta, for files that tilt the other way.
    key, angles_key : name of the array of images, and of angles, where a file holds several.
    views_axis : file axis that counts the tilts, where it is not the usual one of the format.
    name : of the series; the file's own or its stem where not given.

    Warns
    -----
    UserWarning : `pixel_size` differs from that of the file by more than 1 %; the option wins.
    """
    source = existing_file(path)
    suffix = known_suffix(source, SUFFIXES, "a tilt series")
    if angle_sign not in (1, -1):
        raise InputError(f"angle_sign is {angle_sign}: expected 1 or -1")
    stack = _read_stack(source, suffix, key, angles_key if angles is None else None, views_axis)
    euler = _angles(source, stack, angles, angles_key)
    if angle_sign == -1:
        euler = euler * ([1, -1, 1] if euler.ndim == 2 else -1) + 0.0  # no -0.0
    return TiltSeries(
        stack.images,
        euler,
        _pixel_size(source, stack.pixel_size, pixel_size),
        kind=kind or stack.kind or ("counts" if are_counts(stack.images) else "intensity"),
        dose=stack.dose if dose is None else dose,
        name=name or stack.name or source.stem,
        metadata=stack.metadata or {"source": source.name},
    )


def write_tilt_series(path: str | Path, series: TiltSeries) -> None:
    """Write `series` to `path` (.h5), with units and in a layout that carries a version; see `pann.io.hdf5`."""
    target = Path(path)
    known_suffix(target, HDF5_SUFFIXES, "a tilt series that PANN writes")
    hdf5.write_series(target, series)


def are_counts(images: NDArray[Any]) -> bool:
    """Whether all values are non-negative whole numbers, within rounding, and not all below one."""
    if images.dtype.kind == "u":
        return True
    if not np.isfinite(images).all() or images.min() < 0 or images.max() < 1 - WHOLE_TOLERANCE:
        return False
    return bool(np.abs(images - np.rint(images)).max() < WHOLE_TOLERANCE)


def _read_stack(path: Path, suffix: str, key: str | None, angles_key: str | None, views_axis: int | None) -> Stack:
    """The images [tilt, x, y] and what the file says about them."""
    if suffix in HDF5_SUFFIXES and hdf5.file_format(path) is not None:
        series = hdf5.read_series(path)
        return Stack(
            series.images, series.angles, series.pixel_size, series.kind, series.dose, series.name, series.metadata
        )
    if suffix in containers.SUFFIXES:
        return _stack_of_arrays(path, suffix, key, angles_key, views_axis)
    if views_axis not in (None, 0):
        raise InputError(f"{path}: views_axis is {views_axis}, but the first axis of {suffix} files counts the tilts")
    if suffix in mrc.SUFFIXES:
        return mrc.read_mrc_stack(path)
    return microscope.read_tiff(path) if suffix in microscope.TIFF_SUFFIXES else microscope.read_rosetta(path, key)


def _stack_of_arrays(path: Path, suffix: str, key: str | None, angles_key: str | None, views_axis: int | None) -> Stack:
    arrays = containers.load_arrays(path)
    name, images = containers.choose(arrays, key, containers.is_stack, path=path, what="3D array", option="key")
    if images.ndim != 3:
        raise InputError(f"{path}: key={name} has shape {images.shape}: expected three axes")
    axis = (2 if suffix == ".mat" else 0) if views_axis is None else views_axis
    if axis not in (0, 1, 2):
        raise InputError(f"{path}: views_axis is {axis}: expected 0, 1 or 2")
    own = containers.angles_beside(arrays, name, angles_key, path)
    return Stack(
        np.moveaxis(images, axis, 0),
        None if own is None else as_rows(own, path),
        containers.scalar(arrays, "pixel_size"),
        dose=containers.scalar(arrays, "dose"),
        metadata={"source": path.name, "array": name},
    )


def _angles(path: Path, stack: Stack, angles: Any, angles_key: str | None) -> NDArray[np.float64]:
    """Angles (n_tilts,) or (n_tilts, 3) [deg] as the user or the file gave them, one row per image."""
    if isinstance(angles, str | Path):
        euler, origin = read_angles(angles, angles_key), str(angles)
    elif angles is not None:
        try:
            euler, origin = as_rows(np.asarray(angles, np.float64), "angles"), "angles"
        except (TypeError, ValueError) as error:
            raise InputError(f"angles: expected a file or numbers [deg]: {error}") from error
    elif stack.angles is not None:
        euler, origin = np.asarray(stack.angles, np.float64), str(path)
    else:
        raise InputError(f"{path}: the file holds no tilt angles: give angles= a file or a list [deg]")
    if len(euler) != len(stack.images):
        shape = stack.images.shape
        hint = "; another axis has that length: give views_axis=" if len(euler) in shape[1:] else ""
        raise InputError(
            f"{origin}: {len(euler)} angles, but {path} holds {shape[0]} images of {shape[1]} x {shape[2]}{hint}"
        )
    return euler


def _pixel_size(path: Path, own: float | None, given: float | None) -> float:
    if given is None:
        if own is None:
            raise InputError(f"{path}: the file holds no pixel size: give pixel_size= [Å], often 0.2 to 0.5")
        return own
    if own is not None and abs(given - own) > PIXEL_TOLERANCE * own:
        warnings.warn(f"{path}: pixel_size={given:g} Å is used, the file says {own:g} Å", stacklevel=3)
    return given
