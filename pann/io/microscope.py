"""Files of microscopes and of the programs around them: TIFF, and through RosettaSciIO EMD, DM, TIA and HyperSpy.

All hold images as [..., row, column]; a column index is x and a row index is y, as in `pann.io.mrc`.
"""

import re
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from rsciio.exceptions import DM3DataTypeError, DM3FileVersionError, DM3TagError, DM3TagIDError, DM3TagTypeError

from pann.core.errors import InputError
from pann.io.containers import choose, is_stack
from pann.io.reading import Stack, in_angstrom, readable, square_pixel

TIFF_SUFFIXES = (".tif", ".tiff")
ROSETTA_READERS = {
    ".dm3": "rsciio.digitalmicrograph",
    ".dm4": "rsciio.digitalmicrograph",
    ".emd": "rsciio.emd",
    ".emi": "rsciio.tia",
    ".hspy": "rsciio.hspy",
    ".ser": "rsciio.tia",
}
DM_ERRORS = (DM3DataTypeError, DM3FileVersionError, DM3TagError, DM3TagIDError, DM3TagTypeError)
OME_SIZE = re.compile(r'PhysicalSize([XY])="([^"]+)"')
OME_UNIT = re.compile(r'PhysicalSize([XY])Unit="([^"]+)"')
OME_DEFAULT_UNIT = "µm"
DEGREES = ("deg", "degree", "degrees", "°")


def read_tiff(path: Path) -> Stack:
    """Images [tilt, x, y] of a TIFF, one page a tilt; pixel size from ImageJ, OME or FEI tags where there are any."""
    with readable(path, "TIFF file"), tifffile.TiffFile(path) as file:
        data = file.asarray(key=slice(None)) if len(file.series) > 1 else file.series[0].asarray()
        sizes = _tiff_pixel(file)
    data = np.squeeze(data)
    if data.ndim != 3:
        raise InputError(f"{path}: expected a stack of images, found an array of shape {data.shape}")
    return Stack(data.transpose(0, 2, 1), pixel_size=square_pixel(sizes, path))


def _tiff_pixel(file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Pixel edges (x, y) [Å]; resolution tags without a microscopic unit are print sizes and say nothing."""
    if file.ome_metadata:
        units = dict(OME_UNIT.findall(file.ome_metadata))
        sizes = {axis: float(size) for axis, size in OME_SIZE.findall(file.ome_metadata)}
        x, y = (in_angstrom(sizes.get(axis, 0.0), units.get(axis, OME_DEFAULT_UNIT)) for axis in "XY")
        return x, y
    if file.fei_metadata and "Scan" in file.fei_metadata:
        scan = file.fei_metadata["Scan"]
        x, y = (in_angstrom(float(scan.get(name) or 0.0), "m") for name in ("PixelWidth", "PixelHeight"))
        return x, y
    unit = (file.imagej_metadata or {}).get("unit")
    tags = file.pages.first.tags
    if unit is None or "XResolution" not in tags or "YResolution" not in tags:
        return None, None
    unit = unit.replace("\\u00B5", "µ").replace("\\u00C5", "Å")
    (x_count, x_length), (y_count, y_length) = tags["XResolution"].value, tags["YResolution"].value
    return in_angstrom(x_length / x_count, unit), in_angstrom(y_length / y_count, unit)


def read_rosetta(path: Path, key: str | None = None) -> Stack:
    """Images [tilt, x, y] through RosettaSciIO; `key` is the title of the data set where the file holds several."""
    with readable(path, f"{path.suffix} file", DM_ERRORS), warnings.catch_warnings():
        # the package warns about versions and memory mapping, nothing that a user could mend
        warnings.simplefilter("ignore")
        signals = import_module(ROSETTA_READERS[path.suffix.lower()]).file_reader(str(path))
        titles = [_title(signal, number) for number, signal in enumerate(signals)]
        arrays = {title: np.asarray(signal["data"]) for title, signal in zip(titles, signals, strict=True)}
    name, data = choose(arrays, key, is_stack, path=path, what="3D array", option="key")
    if data.ndim != 3:
        raise InputError(f"{path}: key={name} has shape {data.shape}: expected a stack of images")
    tilt, row, column = signals[titles.index(name)]["axes"]
    sizes = tuple(in_angstrom(axis.get("scale", 0.0), _unit(axis)) for axis in (column, row))
    return Stack(data.transpose(0, 2, 1), _tilt_axis(tilt, len(data)), square_pixel(sizes, path))


def _title(signal: dict[str, Any], number: int) -> str:
    return str(signal.get("metadata", {}).get("General", {}).get("title") or f"signal{number}")


def _unit(axis: dict[str, Any]) -> str:
    unit = axis.get("units")
    return unit if isinstance(unit, str) else ""


def _tilt_axis(axis: dict[str, Any], n_tilts: int) -> NDArray[np.float64] | None:
    """Angles of the first axis, where it is calibrated in degrees."""
    if _unit(axis).strip().lower() not in DEGREES:
        return None
    if "axis" in axis:
        return np.asarray(axis["axis"], np.float64)
    return float(axis["offset"]) + float(axis["scale"]) * np.arange(n_tilts, dtype=np.float64)
