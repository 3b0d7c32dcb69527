import numpy as np
import pytest

from pann.core import Volume
from pann.core.random import generator
from pann.refiner.target import gaussian_atoms
from pann.refiner.thresholds import UNTRAINED, Peaks, fit_threshold, mean_errors, peak_heights


def peaks(heights, is_atom, n_true):
    return Peaks(heights, is_atom, n_true, np.where(is_atom[:, None], np.zeros(3), np.nan), 0.0)


def sample(atoms_at, noise_at, seed=0):
    """Atoms and noise with peaks about two heights."""
    rng = generator(seed, "peaks")
    heights = np.concatenate([rng.normal(atoms_at, 0.03, 60), rng.normal(noise_at, 0.03, 40)])
    return peaks(heights, np.arange(100) < 60, 60)


def test_errors_count_missed_and_false_atoms():
    seen = peaks(np.array([0.9, 0.5, 0.4, 0.2]), np.array([True, False, True, True]), 4)
    assert seen.errors(0.45) == pytest.approx((3 + 1) / 4)  # one of four found, one false
    assert seen.errors(0.1) == pytest.approx((1 + 1) / 4)
    assert seen.errors(1.0) == 1.0


def test_the_fitted_threshold_parts_atoms_from_noise():
    samples = [sample(0.6, 0.2, seed=1), sample(0.7, 0.3, seed=2)]
    assert 0.36 < fit_threshold(samples) < 0.54
    assert mean_errors(samples, fit_threshold(samples)) < 0.02
    assert fit_threshold([sample(0.6, 0.55, seed=k) for k in range(9)]) > 0.5  # where noise is high, so is it


def test_the_threshold_travels_with_the_network(net):
    assert net.threshold == pytest.approx(UNTRAINED)
    net.threshold = 0.41
    assert net.state_dict()["presence_threshold"].item() == pytest.approx(0.41)


def test_heights_of_peaks_between_voxels_are_those_of_the_atoms():
    positions = np.array([[0.13, -0.2, 0.05], [3.1, 0.4, -2.0]])
    volume = Volume(gaussian_atoms(positions, [1.0, 0.5], (40, 40, 40), 0.4, 0.5), 0.4)
    np.testing.assert_allclose(peak_heights(positions, volume, 0.0), [1.0, 0.5], rtol=0.04)
