import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.core.geometry import project_positions
from pann.simulation.imaging.views import Views


def test_rotated_atoms_lie_where_the_geometry_projects_them(three_atoms: AtomicModel) -> None:
    angles = [(10.0, 40.0, -20.0), (0.0, -30.0, 0.0)]
    views = Views(angles, (8, 8), 0.4)
    turned = views.rotated(views.atoms(three_atoms))
    np.testing.assert_allclose(turned[:, :, :2], project_positions(three_atoms.positions, angles), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=2)[0], np.linalg.norm(three_atoms.positions, axis=1))


def test_one_view_keeps_its_own_state(three_atoms: AtomicModel) -> None:
    moves = np.zeros((2, 3, 3))
    moves[1, 2] = (0.1, 0.0, 0.0)
    views = Views([0.0, 10.0], (8, 9), 0.4, defocus=[1.0, -2.0], displacements=moves, present=[[1, 1, 1], [1, 0, 1]])
    second = views.only(1)
    assert len(second) == 1
    assert second.focus(0) == -2.0
    np.testing.assert_allclose(second.atoms(three_atoms)[0], three_atoms.positions + moves[1])
    assert second.present is not None
    assert second.present.tolist() == [[True, False, True]]
    with pytest.raises(InputError, match="no image 2"):
        views.only(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"angles": []}, "no angle"),
        ({"angles": [np.nan, 0.0]}, "NaN"),
        ({"image_shape": (0, 8)}, "image_shape"),
        ({"pixel_size": -0.4}, "pixel_size"),
        ({"defocus": [0.0]}, "one for each image"),
        ({"defocus": [0.0, np.inf]}, "infinite"),
        ({"displacements": np.zeros((2, 3))}, r"\(2, n_atoms, 3\)"),
        ({"present": [[True]]}, r"\(2, n_atoms\)"),
    ],
)
def test_impossible_views_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Views(**{"angles": [0.0, 5.0], "image_shape": (8, 8), "pixel_size": 0.4} | changes)


def test_views_of_another_particle_are_refused(three_atoms: AtomicModel) -> None:
    with pytest.raises(InputError, match="3 atoms but views"):
        Views([0.0], (8, 8), 0.4, present=[[True, False]]).require_fit(three_atoms)
    with pytest.raises(InputError, match="element of every atom"):
        Views([0.0], (8, 8), 0.4).require_fit(AtomicModel([[0.0, 0.0, 0.0]]))
