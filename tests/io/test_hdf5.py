"""Our HDF5 files: nothing is lost, damage is named."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from pann.core import InputError, TiltSeries
from pann.io import read_tilt_series, write_tilt_series


def series(**changes: object) -> TiltSeries:
    images = np.random.default_rng(1).poisson(3.0, size=(3, 6, 4))
    arguments = {"dose": 120.0, "name": "å", "metadata": {"energy": 3e5, "list": [1, "b"]}} | changes
    return TiltSeries(arguments.pop("images", images), [-10.5, 0, 10], pixel_size=0.31, **arguments)


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        ({}, "uint8"),
        ({"images": np.arange(72).reshape(3, 6, 4) * 100.0}, "uint16"),
        ({"images": np.arange(72).reshape(3, 6, 4) * 1000.0}, "uint32"),
        ({"images": np.arange(72).reshape(3, 6, 4) + 0.25}, "float32"),
        ({"images": np.linspace(-1, 1, 72).reshape(3, 6, 4), "kind": "intensity", "dose": None}, "float32"),
    ],
)
def test_series_comes_back_exactly(tmp_path: Path, change: dict, stored: str) -> None:
    before = series(**change)
    write_tilt_series(tmp_path / "a.h5", before)
    after = read_tilt_series(tmp_path / "a.h5")
    np.testing.assert_array_equal(after.images, before.images, strict=True)
    np.testing.assert_array_equal(after.angles, before.angles, strict=True)
    for name in ("pixel_size", "kind", "dose", "name", "metadata"):
        assert getattr(after, name) == getattr(before, name)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["images"].dtype == stored


def test_units_are_written(tmp_path: Path) -> None:
    write_tilt_series(tmp_path / "a.h5", series())
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["images"].attrs["pixel_size_unit"] == "angstrom"
        assert file["angles"].attrs["unit"] == "degree"
        assert file.attrs["dose_unit"] == "electron / angstrom**2 per projection"


def edit(path: Path, change: str) -> None:
    with h5py.File(path, "r+") as file:
        match change:
            case "newer":
                file.attrs["version"] = 99
            case "no version":
                del file.attrs["version"]
            case "no images":
                del file["images"]
            case "no pixel size":
                del file["images"].attrs["pixel_size"]
            case "metadata":
                file.attrs["metadata"] = "{"
            case "metadata list":
                file.attrs["metadata"] = "[1]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("newer", "version 99 .* reads up to 1: update PANN"),
        ("no version", "'version' .* missing"),
        ("no images", "'images' is missing"),
        ("no pixel size", "'pixel_size' .* missing"),
        ("metadata", "metadata are damaged"),
        ("metadata list", "metadata are damaged"),
    ],
)
def test_refuses_damaged_series(tmp_path: Path, change: str, message: str) -> None:
    write_tilt_series(tmp_path / "a.h5", series())
    edit(tmp_path / "a.h5", change)
    with pytest.raises(InputError, match=message):
        read_tilt_series(tmp_path / "a.h5")


def test_refuses_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tilt_series(path, series())
    data = path.read_bytes()
    for length in (0, 7, len(data) // 2, len(data) - 200):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="damaged"):
            read_tilt_series(path)


def test_a_flipped_bit_in_the_images_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_tilt_series(path, series())
    with h5py.File(path) as file:
        position = file["images"].id.get_chunk_info(1).byte_offset
    data = bytearray(path.read_bytes())
    data[position + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_tilt_series(path)


def test_equal_series_make_equal_files(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_tilt_series(tmp_path / name, series())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
