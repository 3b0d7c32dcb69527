"""Tiny files in the formats of other programs.

`images` are [tilt, x, y] everywhere; pixels are 0.3 Å wherever the format can say so.
"""

import struct
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import tifffile
from rsciio import emd, hspy
from scipy.io import savemat

PIXEL = 0.3


def write_mat5(path: Path, images: np.ndarray, **more: Any) -> None:
    savemat(path, {"note": "text", "projections": images.transpose(1, 2, 0), **more})


def write_mat73(path: Path, images: np.ndarray, **more: Any) -> None:
    """The HDF5 that MATLAB writes: every array with its axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("note", data=np.arange(4, dtype="u2")).attrs["MATLAB_class"] = np.bytes_("char")
        file.create_dataset("data/projections", data=images.transpose(1, 2, 0).T)
        for name, array in more.items():
            file.create_dataset(name, data=np.asarray(array).T)


def write_mrc(path: Path, images: np.ndarray, pixel: float = PIXEL) -> None:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.ascontiguousarray(images.transpose(0, 2, 1)))
        file.voxel_size = pixel


def write_tiff(path: Path, images: np.ndarray) -> None:
    resolution = (1 / PIXEL, 1 / PIXEL)
    metadata = {"unit": "angstrom", "axes": "ZYX"}
    rows_first = np.ascontiguousarray(images.transpose(0, 2, 1))
    tifffile.imwrite(path, rows_first, imagej=True, resolution=resolution, metadata=metadata)


def write_ome(path: Path, images: np.ndarray) -> None:
    metadata = {"axes": "TYX"} | {f"PhysicalSize{axis}": PIXEL / 10 for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": "nm" for axis in "XY"}
    tifffile.imwrite(path, np.ascontiguousarray(images.transpose(0, 2, 1)), ome=True, metadata=metadata)


def write_pages(path: Path, images: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for image in images:
            file.write(np.ascontiguousarray(image.T), contiguous=False)


def signal(images: np.ndarray, title: str = "tilts") -> dict[str, Any]:
    """What RosettaSciIO writes: tilts of -4, -2, ... degrees."""
    rows_first = np.ascontiguousarray(images.transpose(0, 2, 1))
    units = [("tilt", "deg", 2.0, -4.0), ("y", "nm", PIXEL / 10, 0.0), ("x", "nm", PIXEL / 10, 0.0)]
    axes = [
        {
            "name": name,
            "units": unit,
            "scale": scale,
            "offset": offset,
            "size": rows_first.shape[index],
            "navigate": index == 0,
            "index_in_array": index,
        }
        for index, (name, unit, scale, offset) in enumerate(units)
    ]
    return {
        "data": rows_first,
        "axes": axes,
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False},
        "package_info": {"package": "test", "package_version": "0"},
        "learning_results": {},
        "models": None,
        "tmp_parameters": {},
    }


def write_hspy(path: Path, images: np.ndarray) -> None:
    hspy.file_writer(path, signal(images))


def write_emd(path: Path, images: np.ndarray) -> None:
    emd.file_writer(path, signal(images))


def write_ser(path: Path, images: np.ndarray) -> None:
    """TIA series, version 0x210: 16-bit images, bottom row first, pixel in metres."""
    n, nx, ny = images.shape
    label, unit = b"Number", b""
    dimension = struct.pack("<IddII", n, 0.0, 1.0, 0, len(label)) + label + struct.pack("<I", len(unit)) + unit
    offsets_at = 30 + len(dimension)
    record = 50 + 2 * nx * ny + 8
    data_at = offsets_at + 4 * 2 * n
    header = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, n, n, offsets_at, 1)
    records = b""
    calibration = struct.pack("<ddI", 0.0, PIXEL * 1e-10, 0)
    for image in images:
        pixels = image.T[::-1].astype("<u2").tobytes()
        records += calibration * 2 + struct.pack("<HII", 2, nx, ny) + pixels + struct.pack("<HHI", 0x4152, 0, 0)
    data_offsets = [data_at + record * k for k in range(n)]
    tag_offsets = [offset + record - 8 for offset in data_offsets]
    path.write_bytes(header + dimension + struct.pack(f"<{2 * n}I", *data_offsets, *tag_offsets) + records)


def write_dm(path: Path, images: np.ndarray) -> None:
    """Gatan DM3 or DM4, little endian, by the suffix of `path`; calibrated in nm."""
    version = int(path.suffix[-1])
    long = ">q" if version == 4 else ">i"

    def number(*values: int) -> bytes:
        return b"".join(struct.pack(long, value) for value in values)

    def group(name: str, tags: list[bytes], root: bool = False) -> bytes:
        size = number(0) if version == 4 and not root else b""
        content = struct.pack(">BB", 1, 0) + size + number(len(tags)) + b"".join(tags)
        return content if root else struct.pack(">BH", 20, len(name)) + name.encode() + content

    def data(name: str, info: bytes, content: bytes) -> bytes:
        skipped = b"\0" * 8 if version == 4 else b""
        return struct.pack(">BH", 21, len(name)) + name.encode() + skipped + b"%%%%" + info + content

    def integer(name: str, value: int) -> bytes:
        return data(name, number(1, 5), struct.pack("<I", value))

    def real(name: str, value: float) -> bytes:
        return data(name, number(1, 6), struct.pack("<f", value))

    def text(name: str, value: str) -> bytes:
        return data(name, number(3, 20, 4, len(value)), value.encode("utf-16-le"))

    def calibration(scale: float, unit: str) -> bytes:
        return group("", [real("Origin", 0.0), real("Scale", scale), text("Units", unit)])

    n, nx, ny = images.shape
    pixels = images.transpose(0, 2, 1).astype("<u2").tobytes()
    calibrations = [calibration(PIXEL / 10, "nm"), calibration(PIXEL / 10, "nm"), calibration(2.0, "deg")]
    image = group(
        "",
        [
            group(
                "ImageData",
                [
                    group("Calibrations", [group("Dimension", calibrations)]),
                    data("Data", number(3, 20, 4, nx * ny * n), pixels),
                    integer("DataType", 10),
                    group("Dimensions", [integer("", nx), integer("", ny), integer("", n)]),
                    integer("PixelDepth", 2),
                ],
            ),
            group("ImageTags", []),
            text("Name", "tilts"),
        ],
    )
    content = group("", [group("ImageList", [image])], root=True)
    header = struct.pack(">i", version) + number(len(content)) + struct.pack(">i", 1)
    path.write_bytes(header + content + b"\0" * 8)
