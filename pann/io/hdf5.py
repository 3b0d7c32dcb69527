"""The HDF5 files of PANN: tilt series and volumes with units, versioned.

Layout of a tilt series (``format = "pann-tilt-series"``): dataset ``images`` [tilt, x, y] with attributes
``pixel_size`` [Å] and ``unit``; dataset ``angles`` (n_tilts, 3), columns phi, theta, psi [deg]; root attributes
``kind``, ``dose`` [e/Å² per projection] where known, ``name``, ``metadata`` (JSON). Of a volume (``"pann-volume"``):
dataset ``values`` [x, y, z] with ``voxel_size`` [Å], root attributes ``name`` and ``metadata``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pann.core import InputError, TiltSeries, Volume
from pann.core.files import atomic_path
from pann.io.plain import from_json, to_json
from pann.io.reading import readable

FORMAT_VERSION = 1
SERIES_FORMAT = "pann-tilt-series"
VOLUME_FORMAT = "pann-volume"
STORAGE = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True, "track_times": False}
"""Compressed, with a checksum of each chunk; without the time of writing, so that equal data make equal files."""


def write_series(path: Path, series: TiltSeries) -> None:
    """Write `series`; whole counts are stored as the smallest unsigned integers that hold them."""
    metadata = to_json(series.metadata, series.name)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        _write_header(file, SERIES_FORMAT, series.name, metadata)
        file.attrs["kind"] = series.kind
        if series.dose is not None:
            file.attrs["dose"] = series.dose
            file.attrs["dose_unit"] = "electron / angstrom**2 per projection"
        images = file.create_dataset("images", data=compact_images(series), chunks=(1, *series.image_shape), **STORAGE)
        images.attrs["axes"] = "tilt, x, y"
        images.attrs["unit"] = "electron" if series.kind == "counts" else "arbitrary"
        images.attrs["pixel_size"] = series.pixel_size
        images.attrs["pixel_size_unit"] = "angstrom"
        angles = file.create_dataset("angles", data=series.angles, track_times=False)
        angles.attrs["columns"] = "phi, theta, psi"
        angles.attrs["unit"] = "degree"
        angles.attrs["convention"] = (
            "r' = R r, R = transpose(Rz(phi) Ry(theta) Rx(psi)); y is the tilt axis, z the beam"
        )


def read_series(path: Path) -> TiltSeries:
    """Read a tilt series that `write_series` wrote."""
    with open_hdf5(path) as file:
        _check_header(file, path, SERIES_FORMAT)
        images = _dataset(file, "images", path)
        dose = file.attrs.get("dose")
        return TiltSeries(
            images[()],
            _dataset(file, "angles", path)[()],
            pixel_size=_attribute(images, "pixel_size", path),
            kind=_attribute(file, "kind", path),
            dose=None if dose is None else float(dose),
            name=str(file.attrs.get("name", path.stem)),
            metadata=from_json(file.attrs.get("metadata", "{}"), str(path)),
        )


def write_volume(path: Path, volume: Volume) -> None:
    """Write `volume` as float32."""
    metadata = to_json(volume.metadata, volume.name)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        _write_header(file, VOLUME_FORMAT, volume.name, metadata)
        values = file.create_dataset("values", data=volume.values, **STORAGE)
        values.attrs["axes"] = "x, y, z"
        values.attrs["voxel_size"] = volume.voxel_size
        values.attrs["voxel_size_unit"] = "angstrom"


def read_volume(path: Path) -> Volume:
    """Read a volume that `write_volume` wrote."""
    with open_hdf5(path) as file:
        _check_header(file, path, VOLUME_FORMAT)
        values = _dataset(file, "values", path)
        return Volume(
            values[()],
            _attribute(values, "voxel_size", path),
            name=str(file.attrs.get("name", path.stem)),
            metadata=from_json(file.attrs.get("metadata", "{}"), str(path)),
        )


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file opened for reading; damage anywhere in it becomes an InputError."""
    with readable(path, "HDF5 file"), h5py.File(path, "r") as file:
        yield file


def file_format(path: Path) -> str | None:
    """`SERIES_FORMAT` or `VOLUME_FORMAT` for a file of ours, None for any other HDF5 file."""
    with open_hdf5(path) as file:
        value = file.attrs.get("format")
        return str(value) if value in (SERIES_FORMAT, VOLUME_FORMAT) else None


def compact_images(series: TiltSeries) -> NDArray[Any]:
    """The images of `series`: whole counts as the smallest unsigned integers that hold them, others as they are."""
    images = series.images
    if series.kind != "counts" or np.any(images != np.rint(images)) or images.max() >= 2**32:
        return images
    return images.astype(np.min_scalar_type(int(images.max())))


def _write_header(file: h5py.File, name_of_format: str, name: str, metadata: str) -> None:
    file.attrs["format"] = name_of_format
    file.attrs["version"] = FORMAT_VERSION
    file.attrs["name"] = name
    file.attrs["metadata"] = metadata


def _check_header(file: h5py.File, path: Path, expected: str) -> None:
    found = file.attrs.get("format")
    if found != expected:
        raise InputError(f"{path} is no file of format {expected}: its format attribute is {found!r}")
    version = int(_attribute(file, "version", path))
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path} has version {version} of {expected}, this PANN reads up to {FORMAT_VERSION}: update PANN"
        )


def _attribute(node: h5py.File | h5py.Dataset, name: str, path: Path) -> Any:
    if name not in node.attrs:
        raise InputError(f"{path}: the attribute {name!r} of {node.name} is missing: the file is damaged")
    return node.attrs[name]


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    if name not in file:
        raise InputError(f"{path}: the data set {name!r} is missing: the file is damaged")
    return file[name]
