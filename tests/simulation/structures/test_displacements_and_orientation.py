import numpy as np
import pytest

from pann.core.geometry import rotation_matrices
from pann.core.random import generator
from pann.simulation.structures.displacements import smooth_displacement
from pann.simulation.structures.lattices import PROTOTYPES
from pann.simulation.structures.orientation import angle_to_zone_axis, off_zone, off_zone_axes
from tests.simulation.structures.measures import build, nearest

CRYSTAL = {
    "n_atoms": 600,
    "sites": {"kind": "crystal", "lattice": "fcc"},
    "chemistry": {"kind": "random", "elements": ["Pt", "Ni"], "fractions": [0.5, 0.5]},
    "orientation": "identity",
}


def test_static_displacements_by_element() -> None:
    perfect = build(CRYSTAL)
    moved = build(CRYSTAL | {"disorder": {"displacement": {"Pt": 0.02, "Ni": 0.10}}})
    assert (perfect.numbers == moved.numbers).all()
    offsets = moved.positions - perfect.positions
    for number, sigma in ((78, 0.02), (28, 0.10)):
        assert offsets[perfect.numbers == number].std() == pytest.approx(sigma, rel=0.1)


def test_homogeneous_strain_keeps_lines_straight() -> None:
    perfect, strained = (build(CRYSTAL | {"disorder": {"strain": value}}) for value in (0.0, 0.03))
    matrix, residual, *_ = np.linalg.lstsq(perfect.positions, strained.positions, rcond=None)
    assert residual.sum() < 1e-12
    assert 0.005 < np.abs(matrix - np.eye(3)).max() < 0.12
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)


def test_a_strain_field_is_smooth_and_as_large_as_asked() -> None:
    positions = generator(1, "p").uniform(-15, 15, size=(3000, 3))
    field = smooth_displacement(positions, 0.02, 1.5, generator(2, "f"))
    step, strains = 1e-4, np.zeros((3000, 3, 3))
    for axis in range(3):
        # All points are shifted, so the diameter and thus the waves stay; the amplitude changes a little.
        shifted = positions + step * np.eye(3)[axis]
        strains[:, axis] = (smooth_displacement(shifted, 0.02, 1.5, generator(2, "f")) - field) / step
    symmetric = (strains + strains.transpose(0, 2, 1)) / 2
    assert np.sqrt((symmetric**2).mean()) == pytest.approx(0.02, rel=0.08)
    assert np.abs(smooth_displacement(positions, 0.0, 1.5, generator(2, "f"))).max() == 0


def test_neighbours_move_together_in_a_strain_field() -> None:
    model = build(CRYSTAL | {"disorder": {"strain_field": 0.02}})
    assert nearest(model.positions).min() > 0.88 * model.metadata["bond"]
    assert np.ptp(nearest(model.positions)) > 0.02


def test_vibrations_are_handed_on_by_atomic_number() -> None:
    model = build(CRYSTAL | {"disorder": {"thermal_sigma": {"Pt": 0.065, "Ni": [0.07, 0.08]}}})
    sigma = model.metadata["thermal_sigma"]
    assert sigma[78] == 0.065
    assert 0.07 <= sigma[28] <= 0.08
    assert (model.positions == build(CRYSTAL).positions).all()
    assert build(CRYSTAL).metadata["thermal_sigma"] == {}
    alike = build(CRYSTAL | {"disorder": {"thermal_sigma": [0.05, 0.10]}}).metadata["thermal_sigma"]
    assert alike[28] != alike[78]


def test_orientations_off_zone_axes() -> None:
    assert angle_to_zone_axis(np.eye(3), [0.0, 45.0, 10.0]) == pytest.approx([0, 0, 10], abs=1e-5)
    angles = np.arange(-60, 61, 5.0)
    assert angle_to_zone_axis(off_zone_axes(angles, generator(1, "o")), angles).min() > 10
    rotation = off_zone(PROTOTYPES["fcc"], generator(1, "o"), tilt_limit=60.0, tries=300)
    assert angle_to_zone_axis(rotation, angles).min() > 8


def test_a_zone_axis_lies_along_the_beam() -> None:
    orientation = {"kind": "zone_axis", "axis": [1, 1, 0], "mistilt": 3.0}
    for index in range(3):
        model = build(CRYSTAL | {"orientation": orientation}, index)
        rotation = np.array(model.metadata["orientation"]["rotation"])
        beam = rotation_matrices([0.0])[0, 2]
        along = rotation @ np.array([1, 1, 0]) / 2**0.5
        assert np.degrees(np.arccos(along @ beam)) == pytest.approx(3.0, abs=1e-6)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_the_zone_axis_of_a_hexagonal_crystal_is_a_direction_of_its_cell() -> None:
    """Down [2 1 0] of hcp atoms stack in columns a apart: few distinct projections."""
    recipe = CRYSTAL | {
        "sites": {"kind": "crystal", "lattice": "hcp"},
        "orientation": {"kind": "zone_axis", "axis": [1, 0, 0]},
    }
    columns = len(np.unique(np.round(build(recipe).positions[:, :2], 2), axis=0))
    assert columns < 150
    off = len(np.unique(np.round(build(recipe | {"orientation": "random"}).positions[:, :2], 2), axis=0))
    assert off > 500


def test_random_orientations_are_uniform() -> None:
    rotations = [
        build(CRYSTAL | {"n_atoms": 5, "orientation": "random"}, k).metadata["orientation"] for k in range(200)
    ]
    axes = np.array([rotation["rotation"][2] for rotation in rotations])
    assert np.abs(axes.mean(axis=0)).max() < 0.15
    np.testing.assert_allclose((axes**2).mean(axis=0), [1 / 3] * 3, atol=0.08)
