import numpy as np
import pytest
import torch

from pann.core import Volume
from pann.core.random import generator
from pann.refiner.target import gaussian_atoms
from pann.refiner.thresholds import (
    KNOTS,
    UNTRAINED,
    Peaks,
    Thresholds,
    errors_at_best,
    fit_thresholds,
    peak_heights,
)


def sample(counts, atoms_at, noise_at, seed=0):
    """Atoms and noise with peaks about two heights."""
    rng = generator(seed, "peaks")
    heights = np.concatenate([rng.normal(atoms_at, 0.03, 60), rng.normal(noise_at, 0.03, 40)])
    return Peaks(counts, heights, np.arange(100) < 60, 60)


def test_errors_count_missed_and_false_atoms():
    peaks = Peaks(1.0, np.array([0.9, 0.5, 0.4, 0.2]), np.array([True, False, True, True]), 4)
    assert peaks.errors(0.45) == pytest.approx((3 + 1) / 4)  # one of four found, one false
    assert peaks.errors(0.1) == pytest.approx((1 + 1) / 4)
    assert peaks.errors(1.0) == 1.0


def test_fitted_thresholds_part_atoms_from_noise_at_every_count_level():
    samples = [sample(10.0**k, 0.35 + 0.1 * k, 0.2 + 0.1 * k, seed=k) for k in range(4) for _ in range(3)]
    fitted = fit_thresholds(samples)
    for k in (0, 3):
        assert 0.25 + 0.1 * k <= fitted.at(10.0**k) <= 0.35 + 0.1 * k
    assert errors_at_best(samples) < 0.05


def test_thresholds_travel_with_the_network(net):
    curve = Thresholds((0.0, 1.0, 2.0, 3.0), (0.5, 0.4, 0.3, 0.25))
    net.thresholds = curve
    rows = net.state_dict()["threshold_rows"]
    assert rows.shape == (2, KNOTS)
    torch.testing.assert_close(rows, curve.rows)
    assert net.thresholds.at(100.0) == pytest.approx(0.3)
    assert net.thresholds.at(1e-9) == pytest.approx(0.5)  # flat beyond the ends
    assert Thresholds(*UNTRAINED).at(5.0) == pytest.approx(0.3)


def test_heights_of_peaks_between_voxels_are_those_of_the_atoms():
    positions = np.array([[0.13, -0.2, 0.05], [3.1, 0.4, -2.0]])
    volume = Volume(gaussian_atoms(positions, [1.0, 0.5], (40, 40, 40), 0.4, 0.5), 0.4)
    np.testing.assert_allclose(peak_heights(positions, volume, 0.0), [1.0, 0.5], rtol=0.04)
