"""Volumes in and out, by the suffix of the file."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from pann.core import InputError, Volume
from pann.core.files import atomic_path
from pann.io import containers, hdf5, mrc
from pann.io.paths import existing_file, known_suffix

HDF5_SUFFIXES = (".h5", ".hdf5")


def read_volume(path: str | Path, *, voxel_size: float | None = None, key: str | None = None) -> Volume:
    """Read a volume [x, y, z] from .mrc (column x, row y, section z), .h5, .mat, .npy or .npz.

    Parameters
    ----------
    voxel_size : [Å]; needed where the file does not say, and stronger than what it says.
    key : name of the array where the file holds several.
    """
    source = existing_file(path)
    suffix = known_suffix(source, (*mrc.SUFFIXES, *containers.SUFFIXES), "a volume")
    if suffix in mrc.SUFFIXES:
        return mrc.read_mrc_volume(source, voxel_size)
    if suffix in HDF5_SUFFIXES and hdf5.file_format(source) is not None:
        volume = hdf5.read_volume(source)
        return volume if voxel_size is None else volume.replace(voxel_size=voxel_size)
    arrays = containers.load_arrays(source)
    name, values = containers.choose(arrays, key, containers.is_stack, path=source, what="3D array", option="key")
    size = voxel_size or containers.scalar(arrays, "voxel_size")
    if size is None:
        raise InputError(f"{source}: the file holds no voxel size: give voxel_size= [Å]")
    return Volume(values, size, name=source.stem, metadata={"source": source.name, "array": name})


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write `volume` to .mrc, .h5, .mat (variables ``volume`` and ``voxel_size``) or .npy (no voxel size in it)."""
    target = Path(path)
    match known_suffix(target, (".mrc", ".map", *HDF5_SUFFIXES, ".mat", ".npy"), "a volume that PANN writes"):
        case ".mrc" | ".map":
            mrc.write_mrc_volume(target, volume)
        case ".mat":
            with atomic_path(target) as temporary:
                savemat(temporary, {"volume": volume.values, "voxel_size": volume.voxel_size}, do_compression=True)
        case ".npy":
            with atomic_path(target) as temporary:
                np.save(temporary, volume.values)
        case _:
            hdf5.write_volume(target, volume)
