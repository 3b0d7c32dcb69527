"""Shot noise, dose accounting, background and the detector."""

import numpy as np
import pytest

from pann.core import InputError
from pann.core.random import generator
from tests.simulation.noise.scene import ANGLES, PIXEL, SHAPE, draw, gaussians, with_effects

FLAT = np.full((len(ANGLES), *SHAPE), 0.02)
DOSE = 500.0
ELECTRONS = DOSE * PIXEL**2


def test_counts_have_mean_and_variance_of_poisson_noise() -> None:
    drawn = draw(with_effects(poisson={}))
    images, kind = drawn.recorded(drawn.expected(FLAT, DOSE, PIXEL), generator(3, "x"))
    mean = 0.02 * ELECTRONS
    assert kind == "counts"
    assert np.issubdtype(images.dtype, np.integer)
    assert images.min() >= 0
    assert images.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / images.size))
    assert images.var() == pytest.approx(images.mean(), rel=0.03)


@pytest.mark.parametrize("dose", [10.0, 200.0, 2e5])
def test_the_sum_of_counts_is_dose_times_area_times_fraction(dose: float) -> None:
    drawn = draw(with_effects(poisson={}))
    fractions = gaussians(np.array([[0.0, 0.0], [3.0, 1.0]]))
    images, _ = drawn.recorded(drawn.expected(fractions, dose, PIXEL), 5)
    area = fractions[0].size * PIXEL**2
    expected = dose * area * fractions.mean() * len(ANGLES)
    assert images.sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_noise_free_images_are_the_expected_ones() -> None:
    drawn = draw(with_effects())
    expected = drawn.expected(FLAT, DOSE, PIXEL)
    images, kind = drawn.recorded(expected, 0)
    np.testing.assert_allclose(images, expected, rtol=1e-6)
    assert kind == "intensity"


def test_the_background_is_a_share_of_the_mean_fraction() -> None:
    drawn = draw(with_effects(background={"share": 0.5}))
    particle = gaussians(np.array([[0.0, 0.0]]))
    added = drawn.expected(particle, DOSE, PIXEL) - particle * ELECTRONS
    np.testing.assert_allclose(added, 0.5 * particle.mean() * ELECTRONS, rtol=1e-5)
    np.testing.assert_allclose(drawn.background(particle, DOSE, PIXEL), 0.5 * particle.mean() * ELECTRONS, rtol=1e-6)


CARBON = {"thickness": 20.0, "growth": 0.5, "scattering": 3e-5, "roughness": 0.1, "correlation": 3.0}


def test_carbon_grows_and_is_thicker_at_high_tilt() -> None:
    drawn = draw(with_effects(carbon=CARBON))
    path = drawn.truth()["carbon_path"]
    n = len(ANGLES)
    assert path[0] == pytest.approx(20 / np.cos(np.deg2rad(60)))
    assert path[n // 2] == pytest.approx(20 * 1.25)
    assert path[-1] / path[0] == pytest.approx(1.5)
    edge_on = draw(with_effects(carbon=CARBON | {"growth": 0.0}), angles=np.array([0.0, 90.0]))
    np.testing.assert_allclose(edge_on.truth()["carbon_path"], [20, 100])


def test_carbon_scatters_by_its_thickness_with_a_texture_of_its_roughness() -> None:
    drawn = draw(with_effects(carbon=CARBON | {"correlation": 1.0}))
    images = drawn.expected(np.zeros_like(FLAT), DOSE, PIXEL)
    level = drawn.background(np.zeros_like(FLAT), DOSE, PIXEL)
    np.testing.assert_allclose(level, drawn.truth()["carbon_path"] * 3e-5 * ELECTRONS, rtol=1e-6)
    relative = images / level[:, None, None]
    assert relative.mean() == pytest.approx(1.0, abs=0.01)
    assert relative.std() == pytest.approx(0.1, rel=0.05)
    step = relative[:, 1:] - relative[:, :-1]
    assert step.std() < 0.5 * relative.std()
    np.testing.assert_array_equal(images, drawn.expected(np.zeros_like(FLAT), DOSE, PIXEL))


def test_the_detector_scales_offsets_and_adds_read_noise() -> None:
    drawn = draw(with_effects(detector={"gain": 1.2, "read_noise": 0.7, "offset": 0.1}))
    expected = drawn.expected(FLAT, DOSE, PIXEL)
    images, kind = drawn.recorded(expected, 0)
    assert kind == "intensity"
    assert images.mean() == pytest.approx(1.2 * expected.mean() + 0.1 * expected.max(), rel=0.01)
    assert images.std() == pytest.approx(0.7, rel=0.02)


def test_read_noise_leaves_the_shot_noise_as_it_was() -> None:
    bare, noisy = (
        with_effects(poisson={}),
        with_effects(poisson={}, detector={"gain": 1, "read_noise": 1e-4, "offset": 0}),
    )
    expected = draw(bare).expected(FLAT, DOSE, PIXEL)
    counts, _ = draw(bare).recorded(expected, 9)
    images, kind = draw(noisy).recorded(expected, 9)
    assert kind == "intensity"
    np.testing.assert_array_equal(np.rint(images), counts)


def test_a_seed_names_the_noise_of_a_sample() -> None:
    effects = with_effects(poisson={})
    expected = draw(effects).expected(FLAT, DOSE, PIXEL)
    first, again = (draw(effects).recorded(expected, 4)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != draw(effects).recorded(expected, 5)[0])
    assert np.any(first != draw(effects, index=1).recorded(expected, 4)[0])


def test_impossible_doses_and_expectations_are_refused() -> None:
    drawn = draw(with_effects(poisson={}))
    with pytest.raises(InputError, match="dose"):
        drawn.expected(FLAT, 0.0, PIXEL)
    with pytest.raises(InputError, match="negative"):
        drawn.recorded(-FLAT, 0)
    with pytest.raises(InputError, match="negative"):
        drawn.recorded(FLAT * np.nan, 0)
    with pytest.raises(InputError, match="lower dose"):
        drawn.recorded(FLAT * 1e12, 0)
