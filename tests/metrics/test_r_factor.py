"""The R-factor and what the background does to it."""

import numpy as np
import pytest

from pann.core import InputError
from pann.metrics import r_factor, r_factor_per_tilt


def test_by_hand() -> None:
    images = np.array([[[4.0, 0.0]], [[2.0, 2.0]]])
    predicted = np.array([[[3.0, 1.0]], [[2.0, 2.0]]])
    assert r_factor(images, predicted) == 0.25
    np.testing.assert_allclose(r_factor_per_tilt(images, predicted), [0.5, 0.0])


def test_a_background_hides_the_misfit_unless_it_is_subtracted() -> None:
    rng = np.random.default_rng(0)
    images, predicted = rng.uniform(size=(2, 3, 5, 5))
    level = np.array([10.0, 20.0, 5.0])
    with_background = (images + level[:, None, None], predicted + level[:, None, None])
    assert r_factor(*with_background) < 0.1 * r_factor(images, predicted)
    assert r_factor(*with_background, background=level) == pytest.approx(r_factor(images, predicted))
    assert r_factor(images + 7, predicted + 7, background=7.0) == pytest.approx(r_factor(images, predicted))


def test_an_empty_image_has_no_r_factor() -> None:
    images = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    np.testing.assert_array_equal(np.isnan(r_factor_per_tilt(images, images)), [True, False])


def test_refuses_other_shapes() -> None:
    with pytest.raises(InputError, match="same shape"):
        r_factor(np.ones((2, 3, 3)), np.ones((2, 3, 4)))
    with pytest.raises(InputError, match="background has 3 values"):
        r_factor(np.ones((2, 3, 3)), np.ones((2, 3, 3)), background=[1, 2, 3])
