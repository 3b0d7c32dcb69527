"""Surface atoms: closed formulas of cones in known lattices, and counts of known clusters."""

import numpy as np
import pytest
from ase.build import bulk
from ase.cluster import Octahedron

from pann.core import InputError
from pann.metrics import surface_atoms
from pann.metrics.surface import empty_cones


def centre_of(crystal: str, symbol: str, a: float) -> np.ndarray:
    """Positions [Å] of a ball of a crystal, the atom at its centre first."""
    cell = bulk(symbol, crystal, a=a, cubic=True)
    points = (cell * (9, 9, 9)).positions
    points = points - points[np.argmin(np.linalg.norm(points - points.mean(0), axis=1))]
    points = points[np.linalg.norm(points, axis=1) < 10.0]
    return points[np.argsort(np.linalg.norm(points, axis=1), kind="stable")]


@pytest.mark.parametrize(
    ("crystal", "symbol", "a", "reach", "degrees"),
    [
        # the first shell alone: a square of the cuboctahedron, a face of the cube, a face of the tetrahedron
        ("fcc", "Au", 4.08, 1.1, 45.0),
        ("bcc", "Fe", 2.87, 1.1, np.degrees(np.arccos(1 / np.sqrt(3)))),
        ("diamond", "Si", 5.43, 1.1, np.degrees(np.arccos(1 / 3))),
        # further shells close the gaps: the first two of fcc leave the triangles between <110>, <110> and <100>
        ("fcc", "Au", 4.08, 1.5, np.degrees(np.arccos(np.sqrt(2 / 3)))),
    ],
)
def test_the_widest_empty_cone_of_a_lattice_site(
    crystal: str, symbol: str, a: float, reach: float, degrees: float
) -> None:
    assert empty_cones(centre_of(crystal, symbol, a), reach)[0] == pytest.approx(degrees, abs=1e-6)


@pytest.mark.parametrize(
    ("crystal", "symbol", "a"), [("fcc", "Au", 4.08), ("bcc", "Fe", 2.87), ("diamond", "Si", 5.43)]
)
def test_no_atom_deep_inside_is_on_the_surface_even_with_disorder(crystal: str, symbol: str, a: float) -> None:
    points = centre_of(crystal, symbol, a)
    moved = points + np.random.default_rng(0).normal(scale=0.1, size=points.shape)
    assert not surface_atoms(moved)[np.linalg.norm(points, axis=1) < 4.0].any()


@pytest.mark.parametrize("length", [4, 6])
def test_the_surface_of_an_octahedron_is_its_outer_shell(length: int) -> None:
    """An octahedron of edge n holds n (2n² + 1) / 3 atoms, and the one two smaller lies inside it."""
    points = Octahedron("Au", length).positions

    def atoms(n: int) -> float:
        return n * (2 * n**2 + 1) / 3

    assert len(points) == atoms(length)
    assert surface_atoms(points).sum() == atoms(length) - atoms(length - 2)


def test_turning_the_particle_changes_nothing() -> None:
    points = Octahedron("Au", 5, cutoff=1).positions + np.random.default_rng(1).normal(scale=0.1, size=(1, 3))
    turned = points @ np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0].T
    np.testing.assert_allclose(empty_cones(turned), empty_cones(points), atol=1e-6)


@pytest.mark.parametrize(
    "points", [np.zeros((0, 3)), np.zeros((1, 3)), np.eye(3), np.indices((4, 4, 1)).reshape(3, -1).T]
)
def test_what_has_no_inside_is_all_surface(points: np.ndarray) -> None:
    assert surface_atoms(points).all()


def test_refuses_another_shape() -> None:
    with pytest.raises(InputError, match="positions have shape"):
        surface_atoms(np.zeros((3, 2)))
