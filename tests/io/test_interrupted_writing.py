"""A full disk, a folder that is none, an interruption: an error in one line, and never half a file."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pann.core import AtomicModel, InputError, TiltSeries, Volume
from pann.io import (
    Weights,
    hdf5,
    mrc,
    save_weights,
    structures,
    volumes,
    weights,
    write_atoms,
    write_tilt_series,
    write_volume,
)
from pann.io import atoms as atoms_module

MODEL = AtomicModel(np.arange(9.0).reshape(3, 3), [78, 28, 0])
SERIES = TiltSeries(np.arange(24).reshape(2, 3, 4), [0, 1], 0.3)
VOLUME = Volume(np.arange(24.0).reshape(2, 3, 4), 0.3)
WEIGHTS = Weights("refiner", {"width": 2}, {"a": torch.ones(2)}, {"steps": 1})

WRITERS = [
    pytest.param(write_atoms, "a.xyz", MODEL, (Path, "write_text"), id="xyz"),
    pytest.param(write_atoms, "a.mat", MODEL, (atoms_module, "savemat"), id="atoms.mat"),
    pytest.param(write_atoms, "a.cif", MODEL, (structures.ase.io, "write"), id="cif"),
    pytest.param(write_atoms, "a.pdb", MODEL, (structures.ase.io, "write"), id="pdb"),
    pytest.param(write_tilt_series, "a.h5", SERIES, (hdf5.h5py.Group, "create_dataset"), id="series.h5"),
    pytest.param(write_volume, "a.h5", VOLUME, (hdf5.h5py.Group, "create_dataset"), id="volume.h5"),
    pytest.param(write_volume, "a.mrc", VOLUME, (mrc.np, "ascontiguousarray"), id="mrc"),
    pytest.param(write_volume, "a.mat", VOLUME, (volumes, "savemat"), id="volume.mat"),
    pytest.param(write_volume, "a.npy", VOLUME, (volumes.np, "save"), id="npy"),
    pytest.param(save_weights, "a.safetensors", WEIGHTS, (weights, "save_file"), id="safetensors"),
]


def failing(error: BaseException) -> Callable[..., Any]:
    """A writer that gets some bytes out before it fails."""

    def fail(*arguments: Any, **options: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, str | Path) and Path(argument).is_absolute():  # not a key, not the text
                Path(argument).write_bytes(b"half")
        raise error

    return fail


@pytest.mark.parametrize(("write", "name", "value", "inner"), WRITERS)
class TestInterruption:
    """Every writer, with its innermost call made to fail."""

    def test_a_full_disk_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable, name: str, value: Any, inner: tuple
    ) -> None:
        monkeypatch.setattr(*inner, failing(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(InputError, match=f"cannot write .*{name}: No space left on device"):
            write(tmp_path / name, value)
        assert not list(tmp_path.iterdir())

    def test_an_interruption_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable, name: str, value: Any, inner: tuple
    ) -> None:
        (tmp_path / name).write_bytes(b"old")
        monkeypatch.setattr(*inner, failing(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name, value)
        monkeypatch.undo()
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_bytes() == b"old"

    def test_a_name_that_is_a_folder(
        self, tmp_path: Path, write: Callable, name: str, value: Any, inner: tuple
    ) -> None:
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=f"cannot write .*{name}"):
            write(tmp_path / name, value)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_missing_folders_are_made(
        self, tmp_path: Path, write: Callable, name: str, value: Any, inner: tuple
    ) -> None:
        write(str(tmp_path / "new" / "folder" / name), value)
        assert (tmp_path / "new" / "folder" / name).stat().st_size > 0


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a read-only disk; the superuser, who may run the tests, can write into any folder."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        write_volume(tmp_path / "new" / "a.mrc", VOLUME)
