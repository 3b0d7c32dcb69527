"""The Euler convention, checked against its definition and its limits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pann.core.geometry import index_to_position, position_to_index, project_positions, rotation_matrices
from pann.core.units import electron_wavelength

angle = st.floats(-180, 180)


@given(angle, angle, angle)
def test_rotations_are_proper(phi: float, theta: float, psi: float) -> None:
    (rotation,) = rotation_matrices([[phi, theta, psi]])
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) > 0


def test_each_angle_turns_about_its_axis() -> None:
    np.testing.assert_allclose(rotation_matrices([[90, 0, 0]])[0] @ [0, 1, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(rotation_matrices([[0, 90, 0]])[0] @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation_matrices([[0, 0, 90]])[0] @ [0, 0, 1], [0, 1, 0], atol=1e-12)


def test_the_tilt_axis_is_y() -> None:
    projected = project_positions([[1, 2, 3]], [0, 90, 180])
    np.testing.assert_allclose(projected[:, 0], [[1, 2], [-3, 2], [-1, 2]], atol=1e-12)


@given(st.floats(-50, 50), st.integers(1, 200))
def test_indices_and_positions_are_inverse(index: float, n: int) -> None:
    position = index_to_position([index, 0, 0], (n, 4, 4), 0.37)
    np.testing.assert_allclose(position_to_index(position, (n, 4, 4), 0.37), [index, 0, 0], atol=1e-9)


def test_wavelength_at_300_kev() -> None:
    assert abs(electron_wavelength(300e3) - 0.0196875) < 1e-6  # Kirkland, table 2.2: 0.0197 Å
