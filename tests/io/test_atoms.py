"""Atomic models in the formats of crystallography, simulation and MATLAB."""

from pathlib import Path

import ase
import ase.io
import h5py
import numpy as np
import pytest
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data
from scipy.io import savemat

from pann.core import AtomicModel, InputError
from pann.io import read_atoms, write_atoms

RNG = np.random.default_rng(5)
MODEL = AtomicModel(RNG.normal(scale=15, size=(11, 3)), RNG.choice([0, 28, 78], size=11), name="a")


@pytest.mark.parametrize(("suffix", "tolerance"), [("xyz", 0), ("mat", 0), ("cif", 1e-12), ("pdb", 5.01e-4)])
@pytest.mark.parametrize("n", [11, 1])
def test_positions_and_elements_come_back_in_the_same_frame(
    tmp_path: Path, suffix: str, tolerance: float, n: int
) -> None:
    before = MODEL.select(np.arange(n))
    write_atoms(tmp_path / f"a.{suffix}", before)
    after = read_atoms(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(after.positions, before.positions, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(after.numbers, before.numbers)
    assert after.name == "a"


def test_mat_keeps_all_arrays(tmp_path: Path) -> None:
    before = MODEL.replace(
        probabilities=RNG.uniform(size=11), covariance=RNG.normal(size=(11, 3, 3)), intensities=RNG.uniform(size=11)
    )
    write_atoms(tmp_path / "a.mat", before)
    after = read_atoms(tmp_path / "a.mat")
    for name in ("positions", "probabilities", "covariance", "intensities"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


@pytest.mark.parametrize("transpose", [False, True])
def test_models_of_matlab_programs(tmp_path: Path, transpose: bool) -> None:
    pixels = MODEL.positions.T if transpose else MODEL.positions
    kinds = 1 + np.arange(11) % 2
    savemat(tmp_path / "a.mat", {"scale": 3.0, "temp_model": pixels, "temp_atomtype": kinds[None]})
    after = read_atoms(tmp_path / "a.mat", pixel_size=0.5, types=["Ni", "Pt"], name="b")
    np.testing.assert_allclose(after.positions, 0.5 * MODEL.positions)
    assert after.composition() == {"Ni": 6, "Pt": 5}
    assert after.name == "b"
    assert read_atoms(tmp_path / "a.mat").composition() == {"X": 11}


def test_matlab_7_3_model(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["model"] = MODEL.positions  # MATLAB's (3, n) with its axes reversed
    np.testing.assert_array_equal(read_atoms(tmp_path / "a.mat", key="model").positions, MODEL.positions)


@pytest.mark.parametrize(
    ("text", "species"),
    [
        ("1 0 0 0\n1 1 2 3\n", ["X", "X"]),
        ("# x y z\n0 0 0\n1 2 3\n", ["X", "X"]),
        ("Pt,0,0,0\nNi,1,2,3,\n", ["Pt", "Ni"]),
        ("pt1 0 0 0\nNI2+ 1 2 3\n\n", ["Pt", "Ni"]),
    ],
)
def test_rows_of_text(tmp_path: Path, text: str, species: list[str]) -> None:
    (tmp_path / "a.txt").write_text(text)
    after = read_atoms(tmp_path / "a.txt")
    assert after.species == species
    np.testing.assert_array_equal(after.positions, [[0, 0, 0], [1, 2, 3]])


@pytest.mark.parametrize("masses", [False, True])
@pytest.mark.parametrize("style", ["atomic", "charge"])
def test_lammps_data(tmp_path: Path, masses: bool, style: str) -> None:
    atoms = ase.Atoms("NiPtNi", positions=np.arange(9.0).reshape(3, 3), cell=[20, 20, 20], pbc=True)
    write_lammps_data(tmp_path / "a.lmp", atoms, specorder=["Ni", "Pt"], masses=masses, atom_style=style)
    after = read_atoms(tmp_path / "a.lmp")
    np.testing.assert_allclose(after.positions, atoms.positions)
    assert after.species == (["Ni", "Pt", "Ni"] if masses else ["X"] * 3)
    assert read_atoms(tmp_path / "a.lmp", types={1: "Co", 2: "Au"}).species == ["Co", "Au", "Co"]


def test_lammps_data_without_a_style(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text(
        "made by hand\n\n2 atoms\n2 atom types\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n\n"
        "Atoms\n\n1 1 0.5 0 0\n2 2 3 2 1\n"
    )
    np.testing.assert_allclose(read_atoms(tmp_path / "a.data").positions, [[0.5, 0, 0], [3, 2, 1]])


def test_cif_with_symmetry_is_expanded(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(
        "data_pt\n_cell_length_a 3.92\n_cell_length_b 3.92\n_cell_length_c 3.92\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_space_group_IT_number 225\n"
        "_symmetry_space_group_name_H-M 'F m -3 m'\n"
        "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        "Pt1 Pt 0 0 0\n"
    )
    after = read_atoms(tmp_path / "a.cif")
    assert after.composition() == {"Pt": 4}
    expected = bulk("Pt", a=3.92, cubic=True).positions
    np.testing.assert_allclose(sorted(after.positions.tolist()), sorted(expected.tolist()), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "holds no atoms"),
        ("a.txt", "1 2\n", "line 1: expected `species x y z`"),
        ("a.txt", "Pt 1 2 3 4\n", "line 1: expected"),
        ("a.txt", "Pt 1 2 3\nNi 1 2 z\n", "line 2: expected"),
        ("a.txt", "Pt 1 2 nan\n", "NaN"),
        ("a.cif", "no cif\n", "not a readable CIF"),
        ("a.cif", "", "not a readable CIF"),
        ("a.cif", "data_x\n_cell_length_a 3\n", "a.cif"),
        ("a.pdb", "", "a.pdb"),
        ("a.pdb", "ATOM  nonsense\n", "a.pdb"),
        ("a.lmp", "words\n", "not a readable LAMMPS"),
        ("a.mat", "words\n", "not a readable MATLAB"),
        ("a.vasp", "", "cannot have the suffix .vasp"),
    ],
)
def test_refuses(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_atoms(tmp_path / name)


def test_refuses_arrays_that_are_no_positions(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"grid": np.ones((4, 4)), "line": np.ones(5)})
    with pytest.raises(InputError, match=r"no \(3, n\) or \(n, 3\) array in it; the file holds grid \(4, 4\)"):
        read_atoms(tmp_path / "a.mat")
    with pytest.raises(InputError, match="grid has shape"):
        read_atoms(tmp_path / "a.mat", key="grid")


def test_refuses_to_write_other_formats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot have the suffix \.vasp: expected one of \.cif, \.mat, \.pdb, \.xyz"):
        write_atoms(tmp_path / "a.vasp", MODEL)
