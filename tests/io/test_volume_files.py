"""Volumes come back as [x, y, z] with their voxel size, and other programs see them where the atoms are."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.io import savemat

from pann.core import InputError, TiltSeries, Volume
from pann.io import read_volume, write_tilt_series, write_volume

VOLUME = Volume(np.random.default_rng(0).normal(size=(4, 5, 6)), 0.3216, name="a", metadata={"seed": 1})


@pytest.mark.parametrize("suffix", ["mrc", "map", "h5", "hdf5", "mat", "npy"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write_volume(path, VOLUME)
    after = read_volume(path, voxel_size=VOLUME.voxel_size if suffix == "npy" else None)
    np.testing.assert_array_equal(after.values, VOLUME.values, strict=True)
    assert after.voxel_size == VOLUME.voxel_size
    assert after.name == "a"
    assert read_volume(path, voxel_size=0.5).voxel_size == 0.5


def test_our_hdf5_keeps_the_metadata(tmp_path: Path) -> None:
    write_volume(tmp_path / "b.h5", VOLUME)
    assert read_volume(tmp_path / "b.h5").metadata == {"seed": 1}
    assert read_volume(tmp_path / "b.h5").name == "a"


def test_mrc_axes_and_origin(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 6))
    values[1, 2, 3] = 1
    volume = Volume(values, 0.5)
    write_volume(tmp_path / "a.mrc", volume)
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert file.data[3, 2, 1] == 1, "[section, row, column] is [z, y, x]"
        assert file.is_volume()
        origin = [float(file.header.origin[axis]) for axis in "xyz"]
        np.testing.assert_allclose(
            np.add(origin, np.multiply(0.5, [1, 2, 3])), VOLUME.positions([1, 2, 3]) / 0.3216 / 2
        )


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat"])
def test_the_voxel_size_is_asked_for(tmp_path: Path, name: str) -> None:
    savemat(tmp_path / "a.mat", {"reconstruction": VOLUME.values, "Dim1": 4})
    np.save(tmp_path / "a.npy", VOLUME.values)
    np.savez(tmp_path / "a.npz", volume=VOLUME.values)
    with pytest.raises(InputError, match=r"no voxel size: give voxel_size= \[Å\]"):
        read_volume(tmp_path / name)
    np.testing.assert_array_equal(read_volume(tmp_path / name, voxel_size=0.4).values, VOLUME.values)


def test_refuses(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"volume": VOLUME.values})
    with pytest.raises(InputError, match=r"no array key=density; the file holds volume \(4, 5, 6\)"):
        read_volume(tmp_path / "a.mat", key="density")
    with pytest.raises(InputError, match=r"cannot have the suffix \.xyz"):
        write_volume(tmp_path / "a.xyz", VOLUME)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.array(VOLUME.values))
        file.voxel_size = 0
    with pytest.raises(InputError, match="no voxel size"):
        read_volume(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc", mode="r+") as file:
        file.voxel_size = (0.3, 0.3, 0.6)
    with pytest.raises(InputError, match="resample"):
        read_volume(tmp_path / "a.mrc")
    with pytest.raises(InputError, match="does not exist"):
        read_volume(tmp_path / "b.mrc")


def test_a_series_is_no_volume(tmp_path: Path) -> None:
    write_tilt_series(tmp_path / "a.h5", TiltSeries(np.arange(24).reshape(2, 3, 4), [0, 1], 0.3))
    with pytest.raises(InputError, match="no file of format pann-volume"):
        read_volume(tmp_path / "a.h5")
