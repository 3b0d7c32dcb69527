"""What a user can get wrong: one clear line, exit status 2, nothing written."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from pann.core import TiltSeries
from pann.io import write_tilt_series
from tests.pipeline.conftest import Cli


def save(path: Path, images: np.ndarray) -> str:
    np.save(path, images)
    return f"input={path}"


@pytest.fixture
def images(series: TiltSeries) -> np.ndarray:
    return np.array(series.images)


def refuses(result: tuple[int, str], tmp_path: Path, *words: str) -> None:
    status, printed = result
    assert status == 2, printed
    lines = [line for line in printed.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, printed
    assert "Traceback" not in printed
    for word in words:
        assert word in lines[0]
    assert not (tmp_path / "out").exists()


ANGLES = "angles=[" + ",".join(str(angle) for angle in range(-70, 71, 10)) + "]"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["input=nowhere.h5"], ["nowhere.h5"]),
        (["input=series.doc"], ["series.doc"]),
        (["elements=[Ni,Pq]"], ["Pq"]),
        (["ckpt=nowhere"], ["nowhere", "refiner"]),
        (["refiner_ckpt=nowhere.safetensors"], ["nowhere.safetensors"]),
        (["reconstruction.method=magic"], ["magic", "poisson"]),
        (["classifier=oracle"], ["oracle", "kmeans"]),
        (["pixelsize=0.3"], ["pixelsize", "pixel_size"]),
        (["refiner.choose=luck"], ["luck", "likelihood"]),
        (["classifier.loosen=1.5"], ["loosen", "1.5"]),
        (["angles=[1,2,3]"], ["3 angles", "15 images"]),
        (["device=abacus"], ["abacus"]),
        (["truth=nowhere.xyz"], ["nowhere.xyz"]),
        (["kind=photons"], ["photons"]),
        (["alignment.method=by_hand"], ["by_hand"]),
    ],
)
def test_options(infer: Cli, tmp_path: Path, options: list[str], words: list[str]) -> None:
    refuses(infer(*options), tmp_path, *words)


def test_no_pixel_size(infer: Cli, tmp_path: Path, images: np.ndarray) -> None:
    refuses(infer(save(tmp_path / "x.npy", images), ANGLES), tmp_path, "pixel_size")


def test_no_angles(infer: Cli, tmp_path: Path, images: np.ndarray) -> None:
    refuses(infer(save(tmp_path / "x.npy", images), "pixel_size=0.4"), tmp_path, "angles")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a: np.where(a == a.max(), np.nan, a), "NaN"),
        (lambda a: a - 10, "negative"),
        (lambda a: np.full_like(a, 3), "every pixel"),
    ],
)
def test_bad_images(infer: Cli, tmp_path: Path, images: np.ndarray, change, word: str) -> None:
    source = save(tmp_path / "x.npy", change(images))
    refuses(infer(source, ANGLES, "pixel_size=0.4", "kind=counts"), tmp_path, word)


def test_a_damaged_file(infer: Cli, tmp_path: Path, workplace: Path) -> None:
    (tmp_path / "cut.h5").write_bytes((workplace / "series.h5").read_bytes()[:900])
    refuses(infer(f"input={tmp_path / 'cut.h5'}"), tmp_path, "cut.h5")


def test_a_series_of_a_newer_version(infer: Cli, tmp_path: Path, series: TiltSeries) -> None:
    write_tilt_series(tmp_path / "new.h5", series)
    with h5py.File(tmp_path / "new.h5", "r+") as file:
        key = next(name for name in file.attrs if "version" in name)
        file.attrs[key] = 99
    refuses(infer(f"input={tmp_path / 'new.h5'}"), tmp_path, "new.h5", "99")


def test_a_checkpoint_of_the_other_stage(infer: Cli, tmp_path: Path, workplace: Path) -> None:
    wrong = workplace / "ckpt" / "classifier.safetensors"
    refuses(infer(f"refiner_ckpt={wrong}"), tmp_path, "classifier", "refiner")


def test_an_output_that_cannot_be_written(infer: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refuses(infer(f"output={tmp_path / 'file' / 'out'}"), tmp_path, "cannot be written")


def test_no_input_at_all(infer: Cli, tmp_path: Path) -> None:
    refuses(infer("input=???"), tmp_path, "input= is missing")


def test_a_full_disk_leaves_no_half_file(infer: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mrcfile.new", full)
    status, printed = infer("refiner=null", "classifier=null", "fit=null")
    assert status == 2
    assert "No space left" in printed
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert "summary.json" not in left
    assert not [name for name in left if "partial" in name]


def test_an_interruption_leaves_no_half_file(infer: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mrcfile.new", interrupt)
    status, printed = infer("refiner=null", "classifier=null", "fit=null")
    assert status == 130
    assert "interrupted" in printed
    assert not [path for path in (tmp_path / "out").iterdir() if "partial" in path.name]
