from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.spacegroup import crystal

from pann.core import AtomicModel, InputError
from pann.io import write_atoms
from pann.simulation.structures import check_recipe
from tests.simulation.structures.measures import build, nearest, neighbours


@pytest.fixture
def sodalite(tmp_path: Path) -> Path:
    atoms = crystal(["Si", "O"], [(0.25, 0.5, 0), (0.3534, 0.3534, 0)], spacegroup=229, cellpar=[8.965] * 3 + [90] * 3)
    path = tmp_path / "SOD.cif"
    ase.io.write(path, atoms)
    return path


def test_a_particle_is_cut_from_the_crystal_of_a_cif(sodalite: Path) -> None:
    model = build({"n_atoms": 400, "sites": {"kind": "crystal_file", "path": str(sodalite)}})
    silicon, oxygen = (model.positions[model.numbers == number] for number in (14, 8))
    assert len(model) == 400
    inner = np.linalg.norm(silicon, axis=1) < 8
    assert set(neighbours(silicon[inner], 1.8, oxygen)) == {4}
    assert model.composition()["O"] == pytest.approx(2 * model.composition()["Si"], rel=0.1)


def test_crystals_from_files_take_shapes_and_planar_defects(sodalite: Path) -> None:
    sites = {"kind": "crystal_file", "path": str(sodalite), "lattice_constant": 9.2}
    model = build(
        {"n_atoms": 400, "sites": sites, "shape": "cuboid", "defects": {"grains": {"number": 2, "angle": 20}}}
    )
    assert len(model) == 400
    assert model.metadata["bond"] == pytest.approx(1.608 * 9.2 / 8.965, abs=0.002)


@pytest.mark.parametrize("name", ["model.xyz", "model.pdb", "POSCAR", "model.xsf"])
def test_models_of_any_format_are_centred(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(*[np.arange(4.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 2.6
    atoms = Atoms("Pt32Ni32", grid + 0.1 * rng.normal(size=grid.shape) + 7, cell=[25] * 3, pbc=True)
    ase.io.write(tmp_path / name, atoms)
    model = build({"sites": {"kind": "file", "path": str(tmp_path / name)}, "orientation": "identity"})
    np.testing.assert_allclose(model.positions.mean(axis=0), 0, atol=1e-9)
    assert model.composition() == {"Ni": 32, "Pt": 32}
    distances = [np.sort(np.linalg.norm(p - p.mean(axis=0), axis=1)) for p in (model.positions, atoms.positions)]
    np.testing.assert_allclose(*distances, atol=0.01)


def test_the_inner_atoms_of_a_large_file(tmp_path: Path) -> None:
    points = np.stack(np.meshgrid(*[np.arange(9.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 2.5
    write_atoms(tmp_path / "big.xyz", AtomicModel(points, np.full(len(points), 79)))
    model = build({"n_atoms": 200, "sites": {"kind": "file", "path": str(tmp_path / "big.xyz")}, "shape": "sphere"})
    assert len(model) == 200
    assert np.linalg.norm(model.positions, axis=1).max() < 2.5 * (3 * 200 / 4 / np.pi) ** (1 / 3) + 1.5


def test_close_pairs_are_dropped_or_refused(tmp_path: Path) -> None:
    points = [[0, 0, 0], [0.9, 0, 0], [4, 0, 0], [8, 0, 0], [8, 1.2, 0]]
    write_atoms(tmp_path / "close.xyz", AtomicModel(points, [1, 8, 78, 28, 78]))
    recipe = {"sites": {"kind": "file", "path": str(tmp_path / "close.xyz")}}
    model = build(recipe)
    assert model.metadata["dropped_close_pairs"] == 2
    assert sorted(model.numbers.tolist()) == [8, 78, 78]  # the heavier atom of a pair stays
    assert nearest(model.positions).min() > 1.5
    with pytest.raises(InputError, match=r"2 atoms are closer than 1.5 Å"):
        build(recipe | {"close_pairs": "refuse"})


def test_type_numbers_are_named_by_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "types.txt").write_text("1 0 0 0\n2 2.5 0 0\n")
    sites = {"kind": "file", "path": str(tmp_path / "types.txt")}
    with pytest.raises(InputError, match=r"give sites\.types"):
        check_recipe({"sites": sites})
    assert build({"sites": sites | {"types": ["Ni", "Pt"]}}).composition() == {"Ni": 1, "Pt": 1}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent.cif", None, "absent.cif"),
        ("broken.cif", "data_x\n_cell_length_a 5\nloop_\n_atom_site_label\n", "broken.cif"),
        ("empty.cif", "", "empty.cif"),
        ("noise.cif", "\x00\x01 this is no crystal", "noise.cif"),
        ("unknown.abc", "not a structure", "does not know this format"),
        ("cluster.xyz", "2\n\nPt 0 0 0\nPt 0 0 2.7\n", "has no unit cell"),
    ],
)
def test_bad_crystal_files_are_found_before_the_run(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        check_recipe({"n_atoms": 100, "sites": {"kind": "crystal_file", "path": str(tmp_path / name)}})


@pytest.mark.parametrize("text", ["", "3\n\nPt 0 0\n", "garbage"])
def test_bad_models_are_found_before_the_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(InputError, match=r"bad\.xyz"):
        check_recipe({"sites": {"kind": "file", "path": str(tmp_path / "bad.xyz")}})
