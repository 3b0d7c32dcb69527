"""Exchanged axes keep distances and carry the covariances along."""

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError
from pann.metrics import transform_axes


def test_positions_and_covariances_follow() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    model = AtomicModel(rng.normal(size=(5, 3)), covariance=np.stack([root @ root.T] * 5))
    moved = transform_axes(model, ["y", "x", "-z"])
    np.testing.assert_array_equal(moved.positions, model.positions[:, [1, 0, 2]] * [1, 1, -1])
    assert moved.covariance[0, 0, 2] == pytest.approx(-model.covariance[0, 1, 2])
    np.testing.assert_allclose(moved.sigma, model.sigma)
    np.testing.assert_array_equal(transform_axes(moved, ["+Y", "X", "-z"]).positions, model.positions)


@pytest.mark.parametrize("axes", [["x", "y"], ["x", "y", "y"], ["x", "y", "w"], ["x", "y", "--z"], []])
def test_refuses_axes_that_are_none(axes: list[str]) -> None:
    with pytest.raises(ConfigError, match="each of x, y, z once"):
        transform_axes(AtomicModel(np.zeros((1, 3))), axes)
