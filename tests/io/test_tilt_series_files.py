"""Every format gives the same images in the same order of axes; what is missing or wrong is said in one line."""

from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from pann.core import InputError, TiltSeries
from pann.io import read_tilt_series, write_tilt_series
from tests.io import foreign

ANGLES = [-4.0, -2.0, 0.0, 2.0, 4.0]
IMAGES = np.random.default_rng(0).poisson(3.0, size=(5, 7, 9)).astype("u2")
"""Three different lengths, so that a swap of axes cannot hide."""


def write_npy(path: Path, images: np.ndarray) -> None:
    np.save(path, images)


def write_npz(path: Path, images: np.ndarray) -> None:
    np.savez(path, images=images, pixel_size=foreign.PIXEL, tilt_angles=ANGLES, dose=40.0)


def write_h5(path: Path, images: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["exchange/data"] = images


@pytest.mark.parametrize(
    ("name", "write", "calibrated", "has_angles"),
    [
        ("a.mat", foreign.write_mat5, False, False),
        ("b.mat", foreign.write_mat73, False, False),
        ("a.npy", write_npy, False, False),
        ("a.npz", write_npz, True, True),
        ("a.h5", write_h5, False, False),
        ("a.mrc", foreign.write_mrc, True, False),
        ("a.st", foreign.write_mrc, True, False),
        ("a.tif", foreign.write_tiff, True, False),
        ("ome.tiff", foreign.write_ome, True, False),
        ("pages.TIF", foreign.write_pages, False, False),
        ("a.hspy", foreign.write_hspy, True, True),
        ("a.emd", foreign.write_emd, True, True),
        ("a.ser", foreign.write_ser, True, False),
        ("a.dm3", foreign.write_dm, True, True),
        ("a.dm4", foreign.write_dm, True, True),
    ],
)
class TestFormats:
    """The same five images in every format."""

    def test_images_are_tilt_x_y(
        self, tmp_path: Path, name: str, write: Callable, calibrated: bool, has_angles: bool
    ) -> None:
        write(tmp_path / name, IMAGES)
        series = read_tilt_series(
            tmp_path / name,
            angles=None if has_angles else ANGLES,
            pixel_size=None if calibrated else foreign.PIXEL,
        )
        np.testing.assert_array_equal(series.images, IMAGES)
        assert series.kind == "counts"
        assert series.pixel_size == pytest.approx(foreign.PIXEL, rel=1e-6)
        np.testing.assert_allclose(np.diff(series.angles[:, 1]), 2)

    def test_missing_calibration_is_asked_for(
        self, tmp_path: Path, name: str, write: Callable, calibrated: bool, has_angles: bool
    ) -> None:
        write(tmp_path / name, IMAGES)
        if not calibrated:
            with pytest.raises(InputError, match=r"no pixel size: give pixel_size= \[Å\]"):
                read_tilt_series(tmp_path / name, angles=ANGLES)
        if not has_angles:
            with pytest.raises(InputError, match="no tilt angles: give angles="):
                read_tilt_series(tmp_path / name, pixel_size=0.3)

    def test_damage_is_reported_as_such(
        self, tmp_path: Path, name: str, write: Callable, calibrated: bool, has_angles: bool
    ) -> None:
        write(tmp_path / name, IMAGES)
        data = (tmp_path / name).read_bytes()
        for length in (0, 10, len(data) // 3):
            (tmp_path / name).write_bytes(data[:length])
            with pytest.raises(InputError, match=name):
                read_tilt_series(tmp_path / name, angles=ANGLES, pixel_size=0.3)
        (tmp_path / name).write_bytes(b"this is some text, no image at all\n" * 60)
        with pytest.raises(InputError, match=name):
            read_tilt_series(tmp_path / name, angles=ANGLES, pixel_size=0.3)


def npz(folder: Path, **arrays: object) -> Path:
    path = folder / "a.npz"
    np.savez(path, **({"images": IMAGES, "angles": ANGLES, "pixel_size": 0.3} | arrays))
    return path


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    path = npz(tmp_path, dose=7.0)
    assert read_tilt_series(path).dose == 7
    with pytest.warns(UserWarning, match=r"pixel_size=0.4 Å is used, the file says 0.3 Å"):
        series = read_tilt_series(
            path, angles=np.arange(15).reshape(5, 3), pixel_size=0.4, kind="intensity", dose=9, name="n"
        )
    assert (series.pixel_size, series.kind, series.dose, series.name) == (0.4, "intensity", 9, "n")
    np.testing.assert_array_equal(series.angles, np.arange(15).reshape(5, 3))
    assert read_tilt_series(path, pixel_size=0.3001).pixel_size == 0.3001


def test_our_own_file_takes_options_too(tmp_path: Path) -> None:
    write_tilt_series(tmp_path / "a.h5", TiltSeries(IMAGES, ANGLES, 0.3, dose=2.0, metadata={"seed": 1}))
    series = read_tilt_series(tmp_path / "a.h5", angle_sign=-1, dose=3.0)
    np.testing.assert_array_equal(series.angles[:, 1], ANGLES[::-1])
    assert (series.dose, series.metadata) == (3.0, {"seed": 1})


def test_the_sign_turns_theta_alone(tmp_path: Path) -> None:
    angles = np.arange(15.0).reshape(5, 3)
    series = read_tilt_series(npz(tmp_path, angles=angles), angle_sign=-1)
    np.testing.assert_array_equal(series.angles, angles * [1, -1, 1])


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        (IMAGES, "counts"),
        (IMAGES.astype(float) + 1e-5, "counts"),
        (IMAGES * 0.37, "intensity"),
        (IMAGES.astype(int) - 1, "intensity"),
        (IMAGES * 1e-5, "intensity"),
    ],
)
def test_counts_are_recognised(tmp_path: Path, images: np.ndarray, kind: str) -> None:
    assert read_tilt_series(npz(tmp_path, images=images)).kind == kind


def test_views_can_lie_on_another_axis(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"images": IMAGES})
    with pytest.raises(InputError, match="another axis has that length: give views_axis="):
        read_tilt_series(tmp_path / "a.mat", angles=ANGLES, pixel_size=0.3)
    series = read_tilt_series(tmp_path / "a.mat", angles=ANGLES, pixel_size=0.3, views_axis=0)
    np.testing.assert_array_equal(series.images, IMAGES)


def test_one_array_of_several_is_named(tmp_path: Path) -> None:
    savemat(
        tmp_path / "a.mat",
        {"noisy": IMAGES.transpose(1, 2, 0), "s": {"clean": IMAGES.transpose(1, 2, 0) + 1, "theta": ANGLES}},
    )
    series = read_tilt_series(tmp_path / "a.mat", key="s.clean", pixel_size=0.3)
    np.testing.assert_array_equal(series.images, IMAGES + 1)
    assert series.metadata["array"] == "s.clean"
    with pytest.raises(InputError, match=r"no array key=cleen; the file holds noisy \(7, 9, 5\), s.clean"):
        read_tilt_series(tmp_path / "a.mat", key="cleen")
    with pytest.raises(InputError, match=r"key=s.theta has shape \(1, 5\)"):
        read_tilt_series(tmp_path / "a.mat", key="s.theta")
    with pytest.raises(InputError, match="no array angles_key=phi"):
        read_tilt_series(tmp_path / "a.mat", angles_key="phi", pixel_size=0.3)


def test_files_beside_an_mrc_give_the_angles(tmp_path: Path) -> None:
    stack = tmp_path / "a.st"
    foreign.write_mrc(stack, IMAGES, pixel=0)
    mdoc = "PixelSpacing = 0.25\n\n" + "".join(
        f"[ZValue = {k}]\nTiltAngle = {ANGLES[k]}\nExposureTime = 1\n" for k in (2, 1, 3, 0, 4)
    )
    (tmp_path / "a.st.mdoc").write_text(mdoc)
    series = read_tilt_series(stack)
    assert series.pixel_size == 0.25
    np.testing.assert_array_equal(series.angles[:, 1], ANGLES)
    (tmp_path / "a.rawtlt").write_text("\n".join(str(angle + 1) for angle in ANGLES))
    np.testing.assert_array_equal(read_tilt_series(stack).angles[:, 1], np.add(ANGLES, 1))
    (tmp_path / "a.tlt").write_text("\n".join(str(angle + 2) for angle in ANGLES))
    np.testing.assert_array_equal(read_tilt_series(stack).angles[:, 1], np.add(ANGLES, 2))


def test_fei_header_gives_the_angles(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(IMAGES.transpose(0, 2, 1).copy())
        header = np.zeros(5, dtype=mrcfile.dtypes.get_ext_header_dtype(b"FEI1"))
        header["Metadata size"] = header.dtype.itemsize
        header["Alpha tilt"] = ANGLES
        file.set_extended_header(header)
        file.header.exttyp = b"FEI1"
    np.testing.assert_array_equal(read_tilt_series(tmp_path / "a.mrc", pixel_size=0.3).angles[:, 1], ANGLES)


def test_a_header_that_the_standard_forbids_is_read(tmp_path: Path) -> None:
    foreign.write_mrc(tmp_path / "a.ali", IMAGES)
    data = bytearray((tmp_path / "a.ali").read_bytes())
    data[208:212] = b"\0\0\0\0"  # older IMOD files lack the word MAP here
    (tmp_path / "a.ali").write_bytes(data)
    np.testing.assert_array_equal(read_tilt_series(tmp_path / "a.ali", angles=ANGLES).images, IMAGES)


@pytest.mark.parametrize("suffix", ["dm3", "dm4"])
def test_a_flipped_byte_in_a_tag_is_damage(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    foreign.write_dm(path, IMAGES)
    path.write_bytes(path.read_bytes().replace(b"%%%%", b"%%x%"))
    with pytest.raises(InputError, match="damaged"):
        read_tilt_series(path)


def test_big_endian_mrc_is_read(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(IMAGES.transpose(0, 2, 1).astype(">i2"))
        assert file.header.nx.dtype.byteorder == ">"
    np.testing.assert_array_equal(read_tilt_series(tmp_path / "a.mrc", angles=ANGLES, pixel_size=1).images, IMAGES)


def test_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGES, resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(InputError, match="no pixel size"):
        read_tilt_series(tmp_path / "a.tif", angles=ANGLES)


def test_oblong_pixels_are_refused(tmp_path: Path) -> None:
    foreign.write_mrc(tmp_path / "a.mrc", IMAGES)
    with mrcfile.open(tmp_path / "a.mrc", mode="r+") as file:
        file.voxel_size = (0.3, 0.4, 0.3)
    with pytest.raises(InputError, match=r"0\.3 × 0\.4 Å: resample"):
        read_tilt_series(tmp_path / "a.mrc", angles=ANGLES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"angles": [1, 2, 3]}, "angles: 3 angles, but .* holds 5 images of 7 x 9"),
        ({"angles": "tilts.txt"}, "tilts.txt does not exist"),
        ({"angles": ["a", "b"]}, "expected a file or numbers"),
        ({"angles": np.zeros((5, 2))}, r"shape \(5, 2\)"),
        ({"angles": [0, 1, 2, 3, np.nan]}, "NaN"),
        ({"pixel_size": -1.0}, "pixel_size"),
        ({"pixel_size": 0.0}, "pixel_size"),
        ({"angle_sign": 0}, "angle_sign is 0"),
        ({"kind": "photons"}, "photons"),
        ({"views_axis": 3}, "views_axis is 3"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is used, the file says")
def test_refuses_options(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_tilt_series(npz(tmp_path), **options)


def test_refuses_values_that_are_no_numbers(tmp_path: Path) -> None:
    images = IMAGES.astype(float)
    images[1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"a: images: 1 of 315 values are NaN or infinite, the first at \(1, 2, 3\)"):
        read_tilt_series(npz(tmp_path, images=images))


def test_refuses_arrays_that_are_no_stack(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", flat=np.ones((4, 4)), empty=np.zeros((0, 3, 3)), text="x")
    with pytest.raises(InputError, match=r"no 3D array in it; the file holds flat \(4, 4\)"):
        read_tilt_series(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable NumPy file"):
        read_tilt_series(tmp_path / "a.npy")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(np.ones((4, 4), "f4"))
    with pytest.raises(InputError, match="expected a 3D array"):
        read_tilt_series(tmp_path / "a.mrc")
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), "f4"))
    with pytest.raises(InputError, match="expected a stack of images"):
        read_tilt_series(tmp_path / "a.tif")


def test_refuses_views_elsewhere_in_formats_that_fix_them(tmp_path: Path) -> None:
    foreign.write_mrc(tmp_path / "a.mrc", IMAGES)
    with pytest.raises(InputError, match=r"the first axis of \.mrc files counts the tilts"):
        read_tilt_series(tmp_path / "a.mrc", views_axis=2)


def test_refuses_paths(tmp_path: Path) -> None:
    npz(tmp_path)
    with pytest.raises(InputError, match=r"does not exist; did you mean a.npz\?"):
        read_tilt_series(tmp_path / "a.npy")
    with pytest.raises(InputError, match="there is no folder"):
        read_tilt_series(tmp_path / "nowhere" / "a.npy")
    with pytest.raises(InputError, match="is a folder"):
        read_tilt_series(tmp_path)
    (tmp_path / "a.jpeg").touch()
    (tmp_path / "bare").touch()
    with pytest.raises(InputError, match=r"cannot have the suffix .jpeg: expected one of .*\.mrc"):
        read_tilt_series(tmp_path / "a.jpeg")
    with pytest.raises(InputError, match="a name without suffix"):
        read_tilt_series(tmp_path / "bare")
