"""Our extended XYZ keeps every bit, and other programs can read it."""

from pathlib import Path

import ase.io
import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.io import read_atoms, write_atoms


def model(n: int = 7) -> AtomicModel:
    rng = np.random.default_rng(3)
    root = rng.normal(size=(n, 3, 3))
    return AtomicModel(
        rng.normal(scale=30, size=(n, 3)) * 10.0 ** rng.integers(-12, 3, size=(n, 1)),
        rng.integers(0, 90, size=n),
        rng.uniform(size=n),
        root @ root.transpose(0, 2, 1),
        rng.exponential(size=n) * 1e7,
        name='a "name" with \\ and a\nnew line',
        metadata={"seed": 3, "text": 'a "b" \\n \n {c}', "none": None, "list": [1.5, True], "array": np.arange(3)},
    )


def test_every_array_comes_back_exactly(tmp_path: Path) -> None:
    before = model()
    write_atoms(tmp_path / "model.xyz", before)
    after = read_atoms(tmp_path / "model.xyz")
    for name in ("positions", "numbers", "probabilities", "covariance", "intensities"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), strict=True)
    assert after.name == before.name
    assert after.metadata == before.metadata | {"array": [0, 1, 2]}


@pytest.mark.parametrize("n", [0, 1])
def test_arrays_that_nobody_estimated_stay_unknown(tmp_path: Path, n: int) -> None:
    write_atoms(tmp_path / "bare.xyz", AtomicModel(np.zeros((n, 3))))
    after = read_atoms(tmp_path / "bare.xyz")
    assert len(after) == n
    assert after.probabilities is after.covariance is after.intensities is None
    assert after.metadata == {}


def test_other_programs_read_it(tmp_path: Path) -> None:
    before = model().replace(name="plain")
    write_atoms(tmp_path / "model.xyz", before)
    atoms = ase.io.read(tmp_path / "model.xyz")
    np.testing.assert_allclose(atoms.positions, before.positions, rtol=1e-15)
    np.testing.assert_array_equal(atoms.numbers, before.numbers)
    np.testing.assert_allclose(atoms.arrays["sigma"], before.sigma)


def test_reads_what_other_programs_write(tmp_path: Path) -> None:
    atoms = ase.Atoms("PtNi2", positions=np.arange(9).reshape(3, 3) + 0.125)
    atoms.arrays["tag"] = np.arange(3)
    atoms.info["source"] = "a b"
    ase.io.write(tmp_path / "a.xyz", atoms, format="extxyz")
    ase.io.write(tmp_path / "plain.xyz", atoms, format="xyz")
    for name in ("a.xyz", "plain.xyz"):
        after = read_atoms(tmp_path / name)
        assert after.species == ["Pt", "Ni", "Ni"]
        np.testing.assert_array_equal(after.positions, atoms.positions)
    assert read_atoms(tmp_path / "a.xyz").metadata["source"] == "a b"


def test_sigma_alone_becomes_an_isotropic_covariance(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("1\nProperties=species:S:1:pos:R:3:sigma:R:1\nPt 0 0 0 0.2\n")
    np.testing.assert_allclose(read_atoms(tmp_path / "a.xyz").covariance, [0.04 * np.eye(3)])


def test_type_numbers_take_the_elements_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("2\n\n1 0 0 0\n2 0 0 3\n")
    assert read_atoms(tmp_path / "a.xyz").species == ["X", "X"]
    assert read_atoms(tmp_path / "a.xyz", types=["Ni", "Pt"]).species == ["Ni", "Pt"]
    assert read_atoms(tmp_path / "a.xyz", types={1: 78, 2: "Ni"}).species == ["Pt", "Ni"]
    with pytest.raises(InputError, match="no element is named for type 2"):
        read_atoms(tmp_path / "a.xyz", types=["Ni"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "number of atoms"),
        ("three\n\n", "number of atoms"),
        ("2\n\nPt 0 0 0\n", "2 atoms, the file holds 1"),
        ("1\n\nPt 0 0\n", "line 3: 3 columns where 4"),
        ("1\n\nPt 0 0 zero\n", "no number"),
        ("1\n\nPq 0 0 0\n", "no element 'Pq'"),
        ("1\n\nPt 0 0 nan\n", "NaN"),
        ("1\nProperties=species:S\nPt 0 0 0\n", "not of the form"),
        ("1\nProperties=species:S:1\nPt 0 0 0\n", "no column pos:R:3"),
        ('1\nProperties=species:S:1:pos:R:3 metadata="{broken"\nPt 0 0 0\n', "metadata are damaged"),
    ],
)
def test_refuses_damaged_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(InputError, match=message):
        read_atoms(tmp_path / "bad.xyz")


def test_refuses_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.xyz").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bad.xyz.gz").write_bytes(b"\x1f\x8b\x08cut")
    for name in ("bad.xyz", "bad.xyz.gz"):
        with pytest.raises(InputError, match="not a readable text file"):
            read_atoms(tmp_path / name)


def test_refuses_metadata_that_json_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="plain values"):
        write_atoms(tmp_path / "a.xyz", AtomicModel(np.zeros((1, 3)), metadata={"object": object()}))
    assert not list(tmp_path.iterdir())
