"""MRC files: stacks of images and volumes.

An MRC array is [section, row, column]. Here a column index is x and a row index is y, so a stack comes as
[section, column, row] = [tilt, x, y] and a volume, whose sections are z, as [column, row, section] = [x, y, z].
"""

import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from numpy.typing import NDArray

from pann.core import InputError, Volume
from pann.core.files import atomic_path
from pann.io.angles import beside
from pann.io.reading import Stack, in_angstrom, readable, square_pixel

SUFFIXES = (".mrc", ".st", ".ali", ".rec", ".map", ".mrcs")
HEADER_BYTES = 1024
LAST_MODE = 101
FEI_HEADERS = (b"FEI1", b"FEI2")
LABEL = "PANN: column x, row y, section z"


def read_mrc_stack(path: Path) -> Stack:
    """Images [tilt, x, y], with the angles and the pixel size that lie beside the file or in its header."""
    data, voxel, header_angles = _load(path)
    angles, pixel_size = beside(path)
    return Stack(
        data.transpose(0, 2, 1),
        header_angles if angles is None else angles,
        pixel_size or square_pixel((voxel[0], voxel[1]), path),
    )


def read_mrc_volume(path: Path, voxel_size: float | None = None) -> Volume:
    """A volume [x, y, z]; `voxel_size` [Å] replaces that of the header."""
    data, voxel, _ = _load(path)
    size = voxel_size or square_pixel(voxel, path)
    if size is None:
        raise InputError(f"{path}: the header holds no voxel size: give voxel_size= [Å]")
    return Volume(data.transpose(2, 1, 0), size, name=path.stem)


def write_mrc_volume(path: Path, volume: Volume) -> None:
    """Write `volume` as float32, the origin of the header such that position zero is the voxel n // 2."""
    with atomic_path(path) as temporary, mrcfile.new(temporary, overwrite=True) as file:
        file.set_data(np.ascontiguousarray(volume.values.transpose(2, 1, 0)))
        file.voxel_size = volume.voxel_size
        file.header.origin = tuple(-(n // 2) * volume.voxel_size for n in volume.shape)
        file.header.nlabl = 1
        file.header.label[0] = LABEL


def _load(path: Path) -> tuple[NDArray[Any], tuple[float | None, ...], NDArray[np.float64] | None]:
    """Data [section, row, column], voxel edges [Å] along (x, y, z), angles of an FEI extended header."""
    with readable(path, "MRC file"), warnings.catch_warnings():
        # IMOD and older programs write headers that the standard forbids but that can be read
        warnings.simplefilter("ignore", RuntimeWarning)
        _check_length(path)
        with mrcfile.open(path, permissive=True) as file:
            data = file.data
            edges = tuple(in_angstrom(float(file.voxel_size[axis]), "Å") for axis in "xyz")
            angles = _extended_angles(file, len(data))
    if data.ndim != 3 or data.dtype.kind not in "iuf":
        raise InputError(f"{path}: expected a 3D array of real numbers, found {data.shape} of {data.dtype}")
    return data, edges, angles


def _check_length(path: Path) -> None:
    """Raise ValueError unless the file is as long as its header says, before memory for an absurd size is asked for."""
    with path.open("rb") as file:
        header = np.frombuffer(file.read(HEADER_BYTES), mrcfile.dtypes.HEADER_DTYPE, count=1)
    if not 0 <= header["mode"].item() <= LAST_MODE:
        header = header.view(header.dtype.newbyteorder())
    nx, ny, nz, extended = (header[name].item() for name in ("nx", "ny", "nz", "nsymbt"))
    itemsize = mrcfile.utils.dtype_from_mode(header["mode"].item()).itemsize
    if min(nx, ny, nz) < 1 or extended < 0 or path.stat().st_size < HEADER_BYTES + extended + nx * ny * nz * itemsize:
        raise ValueError("the file ends before its data, or its header is no MRC header")


def _extended_angles(file: Any, n_tilts: int) -> NDArray[np.float64] | None:
    if bytes(file.header.exttyp) not in FEI_HEADERS:
        return None
    angles = np.asarray(file.indexed_extended_header["Alpha tilt"], np.float64)[:n_tilts]
    return angles if len(angles) == n_tilts and np.ptp(angles) > 0 else None
