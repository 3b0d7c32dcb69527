"""Files that hold named arrays: MATLAB (v5 and v7.3), NumPy, HDF5; and the choice of one array among them.

Array axes are kept as [x, y, ...] in every one of them: MATLAB's column-major order is put right for v7.3 too.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from pann.core.errors import InputError
from pann.io.reading import readable

Arrays = dict[str, NDArray[Any]]
SUFFIXES = (".mat", ".npy", ".npz", ".h5", ".hdf5")
ANGLE_NAMES = re.compile("angle|tilt|theta|euler", re.IGNORECASE)


def load_arrays(path: Path) -> Arrays:
    """Every numeric array of `path` by name; fields of structures and groups are named ``outer.inner``."""
    if path.suffix.lower() == ".mat":
        return _load_matlab(path)
    if path.suffix.lower() in (".h5", ".hdf5"):
        with readable(path, "HDF5 file"), h5py.File(path, "r") as file:
            return _hdf5_arrays(file, transpose=False)
    with readable(path, "NumPy file"), path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        arrays = {path.stem: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
        return {name: array for name, array in arrays.items() if _numeric(array)}


def choose(
    arrays: Mapping[str, NDArray[Any]],
    key: str | None,
    fits: Callable[[NDArray[Any]], bool],
    *,
    path: Path,
    what: str,
    option: str,
) -> tuple[str, NDArray[Any]]:
    """The array named `key`, or the first that `fits`, with its name.

    Raises InputError that lists the arrays of the file when there is none; `option` is what the user calls `key`.
    """
    listing = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "no numeric array"
    if key is not None:
        if key not in arrays:
            raise InputError(f"{path}: no array {option}={key}; the file holds {listing}")
        return key, arrays[key]
    for name, array in arrays.items():
        if fits(array):
            return name, array
    raise InputError(f"{path}: no {what} in it; the file holds {listing}")


def is_stack(array: NDArray[Any]) -> bool:
    """Whether `array` can be a stack of images or a volume."""
    return array.ndim == 3 and min(array.shape) > 1


def is_angles(array: NDArray[Any]) -> bool:
    """Whether `array` can be tilt angles: (n,), (n, 1), (1, n), (n, 3) or (3, n) with n > 1."""
    return (array.ndim == 1 and array.size > 1) or (
        array.ndim == 2 and bool({1, 3} & set(array.shape)) and max(array.shape) > 1
    )


def angles_beside(arrays: Mapping[str, NDArray[Any]], beside: str, key: str | None, path: Path) -> NDArray[Any] | None:
    """The angles that lie in the same file as the images `beside`: those named `key`, or the first so called."""
    if key is not None:
        return choose(arrays, key, is_angles, path=path, what="tilt angles", option="angles_key")[1]
    for name, array in arrays.items():
        if name != beside and ANGLE_NAMES.search(name) and is_angles(array):
            return array
    return None


def scalar(arrays: Mapping[str, NDArray[Any]], name: str) -> float | None:
    """The single number called `name`, None where there is none."""
    array = arrays.get(name)
    return float(array.item()) if array is not None and array.size == 1 else None


def _numeric(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "iuf" and array.size > 0


def _load_matlab(path: Path) -> Arrays:
    with readable(path, "MATLAB file"):
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _hdf5_arrays(file, transpose=True)
        arrays: Arrays = {}
        for name, value in loadmat(path).items():
            _flatten(name, value, arrays)
        return arrays


def _flatten(name: str, value: Any, arrays: Arrays) -> None:
    """Add `value`, or the fields of the structure that it is, to `arrays`."""
    if _numeric(value):
        arrays[name] = value
    elif isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        for field in value.dtype.names:
            _flatten(f"{name}.{field}", value.flat[0][field], arrays)


def _hdf5_arrays(file: h5py.File, transpose: bool) -> Arrays:
    arrays: Arrays = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        text = node.attrs.get("MATLAB_class") in (b"char", b"cell")
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "iuf" and not text and not name.startswith("#refs#"):
            array = node[()]
            if _numeric(array):
                arrays[name.replace("/", ".")] = array.T if transpose else array

    file.visititems(visit)
    return arrays
