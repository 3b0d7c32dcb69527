"""Fourier shell correlation in the limits where it is known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pann.core import InputError, Volume
from pann.metrics import fourier_shell_correlation, resolution

RNG = np.random.default_rng(0)


def volume(values: np.ndarray, voxel: float = 0.5) -> Volume:
    return Volume(values, voxel)


@pytest.mark.parametrize("shape", [(16, 16, 16), (15, 17, 12), (12, 8, 9)])
def test_a_volume_agrees_with_itself_up_to_nyquist(shape: tuple[int, int, int]) -> None:
    a = volume(RNG.normal(size=shape))
    frequency, fsc = fourier_shell_correlation(a, volume(3 * a.values + 7))
    np.testing.assert_allclose(fsc, 1, atol=1e-5)
    np.testing.assert_allclose(np.diff(frequency), 1 / (max(shape) * 0.5))
    assert frequency[-1] <= 1 / (2 * 0.5) + 1e-12
    np.testing.assert_allclose(fourier_shell_correlation(a, volume(-a.values))[1], -1, atol=1e-5)


def test_half_spectrum_weights_equal_the_full_transform() -> None:
    a, b = RNG.normal(size=(2, 8, 6, 7))
    frequency, fsc = fourier_shell_correlation(volume(a), volume(a + b))
    spectra = np.fft.fftn(volume(a).values), np.fft.fftn(volume(a + b).values)
    k = np.sqrt(sum(axis**2 for axis in np.meshgrid(*[np.fft.fftfreq(n, 0.5) for n in a.shape], indexing="ij")))
    for f, value in zip(frequency, fsc, strict=True):
        shell = np.rint(k * 8 * 0.5) == round(f * 8 * 0.5)
        cross = (spectra[0][shell] * spectra[1][shell].conj()).sum().real
        power = np.prod([np.linalg.norm(spectrum[shell]) for spectrum in spectra])
        assert value == pytest.approx(cross / power)


def test_independent_noise_does_not_correlate() -> None:
    a, b = RNG.normal(size=(2, 32, 32, 32))
    _, fsc = fourier_shell_correlation(volume(a), volume(b))
    assert np.abs(fsc[4:]).max() < 0.2


def test_noise_limits_the_resolution() -> None:
    signal = gaussian_filter(RNG.normal(size=(32, 32, 32)), 1.0)
    little, much = (
        resolution(*fourier_shell_correlation(volume(signal), volume(signal + s * RNG.normal(size=signal.shape))))
        for s in (0.2, 1.0)
    )
    assert 1.0 < little < much


def test_resolution_is_interpolated() -> None:
    frequency = np.array([0.1, 0.2, 0.3])
    assert resolution(frequency, np.array([1.0, 0.75, 0.25])) == pytest.approx(4)
    assert resolution(frequency, np.array([0.4, 0.3, 0.2])) == pytest.approx(10)
    assert np.isnan(resolution(frequency, np.ones(3)))


def test_refuses_two_grids() -> None:
    a = volume(np.ones((4, 4, 4)))
    for b in (volume(np.ones((4, 4, 5))), volume(np.ones((4, 4, 4)), 0.6)):
        with pytest.raises(InputError, match="one grid"):
            fourier_shell_correlation(a, b)
