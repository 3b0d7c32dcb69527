"""Angles come out as one row a tilt, whatever the file looks like."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pann.core import InputError
from pann.io import read_angles

EULER = np.arange(12.0).reshape(4, 3) / 7


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4)])
def test_one_angle_a_tilt(tmp_path: Path, shape: tuple[int, ...]) -> None:
    savemat(tmp_path / "a.mat", {"text": "abc", "Angle": EULER[:, 1].reshape(shape)})
    np.testing.assert_array_equal(read_angles(tmp_path / "a.mat"), EULER[:, 1])


@pytest.mark.parametrize("transpose", [False, True])
def test_three_angles_a_tilt(tmp_path: Path, transpose: bool) -> None:
    savemat(tmp_path / "a.mat", {"Angle": EULER.T if transpose else EULER})
    np.save(tmp_path / "a.npy", EULER.T if transpose else EULER)
    for name in ("a.mat", "a.npy"):
        np.testing.assert_array_equal(read_angles(tmp_path / name), EULER)


def test_one_array_of_several_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", raw=EULER[:, 1], refined=EULER)
    np.testing.assert_array_equal(read_angles(tmp_path / "a.npz"), EULER[:, 1])
    np.testing.assert_array_equal(read_angles(tmp_path / "a.npz", "refined"), EULER)
    with pytest.raises(InputError, match=r"no array angles_key=other; the file holds raw \(4,\), refined \(4, 3\)"):
        read_angles(tmp_path / "a.npz", "other")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.tlt", " -60.5\n  0\n 60.5\n\n", [-60.5, 0, 60.5]),
        ("a.rawtlt", "-1\n2\n", [-1, 2]),
        ("a.txt", "# degrees\n% comment\n1e1\n2\n", [10, 2]),
        ("a.csv", "phi,theta,psi\n0,1,2\n3,4,5\n", [[0, 1, 2], [3, 4, 5]]),
        ("b.csv", "theta;\n1;\n2;\n", [1, 2]),
        ("c.txt", "0 1 2\n3 4 5\n6 7 8\n", [[0, 1, 2], [3, 4, 5], [6, 7, 8]]),
        ("a.mdoc", "[ZValue = 1]\nTiltAngle = 3.5\n[ZValue = 0]\nTiltAngle = -3.5\n", [-3.5, 3.5]),
    ],
)
def test_text(tmp_path: Path, name: str, text: str, expected: list) -> None:
    (tmp_path / name).write_text(text)
    np.testing.assert_array_equal(read_angles(tmp_path / name), expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "holds no numbers"),
        ("a.txt", "1\n2 3\n", "line 2: 2 numbers where the first row has 1"),
        ("a.txt", "1\nx\n", "line 2: expected numbers, found 'x'"),
        ("a.txt", "1 2\n3 4\n", r"shape \(2, 2\)"),
        ("a.mdoc", "PixelSpacing = 1\n", "no TiltAngle"),
        ("a.mdoc", "[ZValue = 0]\nTiltAngle = steep\n", "not a readable mdoc"),
        ("a.log", "1\n", "cannot have the suffix .log"),
        ("a.mat", "1\n", "not a readable MATLAB file"),
    ],
)
def test_refuses(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_angles(tmp_path / name)
