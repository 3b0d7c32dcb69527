import numpy as np
import pytest

from pann.core import InputError
from pann.core.random import generator
from pann.simulation.noise import image_shifts, jittered_angles, record

FRACTIONS = np.full((4, 100, 100), 0.02)
FRACTIONS[:, 50:, :] = 0.04


def test_counts_have_the_mean_and_variance_of_poisson_noise() -> None:
    series = record(FRACTIONS, [0, 1, 2, 3], 0.5, dose=400.0, rng=generator(3, "noise"))
    for region, mean in ((series.images[:, :50], 2.0), (series.images[:, 50:], 4.0)):
        standard_error = np.sqrt(mean / region.size)
        assert region.mean() == pytest.approx(mean, abs=4 * standard_error)
        assert region.var() == pytest.approx(mean, rel=0.05)


def test_dose_accounting() -> None:
    background = np.array([0.0, 0.01, 0.0, 0.02])
    rng = generator(3, "dose")
    series = record(FRACTIONS, [0, 1, 2, 3], 0.5, 400.0, rng, background=background)
    expected = (FRACTIONS.sum(axis=(1, 2)) + background * 1e4) * 400 * 0.25
    totals = series.images.sum(axis=(1, 2))
    np.testing.assert_allclose(totals, expected, atol=4 * np.sqrt(expected.max()))
    assert (series.dose, series.total_dose) == (400, 1600)


def test_noise_can_be_switched_off_and_read_noise_on() -> None:
    rng = generator(0, "x")
    clean = record(FRACTIONS, [0, 1, 2, 3], 0.5, 400.0, rng, poisson=False)
    np.testing.assert_allclose(clean.images, FRACTIONS * 100, rtol=1e-6)
    noisy = record(FRACTIONS, [0, 1, 2, 3], 0.5, 400.0, rng, poisson=False, read_noise=0.3)
    assert noisy.kind == "intensity"
    assert (noisy.images - clean.images).std() == pytest.approx(0.3, rel=0.02)


def test_negative_fractions_are_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        record(-FRACTIONS, [0, 1, 2, 3], 0.5, 400.0, generator(0, "x"))


def test_tilt_errors_and_shifts_have_their_size() -> None:
    nominal = np.stack([np.zeros(141), np.arange(-70, 71), np.zeros(141)], axis=1)
    errors = jittered_angles(nominal, 0.3, generator(1, "t")) - nominal
    assert np.abs(errors).max() <= 0.3
    assert errors.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.1)
    np.testing.assert_array_equal(jittered_angles(nominal, 0.0, generator(1, "t")), nominal)
    assert image_shifts(5000, 0.1, generator(1, "s")).std() == pytest.approx(0.1, rel=0.05)
