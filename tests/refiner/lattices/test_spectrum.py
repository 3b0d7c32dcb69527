import numpy as np
import pytest
import torch

from pann.core.random import generator
from pann.refiner.lattices.spectrum import Spectrum, local_mean, overlapped, power, shell_medians
from tests.refiner.lattices.scenes import VOXEL

SIZE = (40, 36, 30)


def wave(period):
    """A plane wave of `period` [Å] askew to the axes."""
    place = np.stack(np.meshgrid(*[np.arange(n) * VOXEL for n in SIZE], indexing="ij"), -1)
    return torch.tensor(np.cos(2 * np.pi / period * place @ np.array([0.6, 0.48, 0.64])), dtype=torch.float32)


def noise(seed=0):
    return torch.tensor(generator(seed, "noise").normal(size=SIZE), dtype=torch.float32)


def middle(values):
    return values[10:-10, 10:-10, 10:-10]


def test_a_wave_within_the_periods_passes_and_others_do_not():
    whole = torch.tensor(1.0)
    for period, least, most in ((2.5, 0.9, 1.1), (0.9, 0.0, 0.1)):
        spectrum = Spectrum.of(wave(period), VOXEL)
        left = middle(spectrum.volume(whole)).std() / middle(wave(period)).std()
        assert least <= left <= most, period


def test_the_shape_of_a_particle_does_not_pass():
    place = np.stack(np.meshgrid(*[(np.arange(n) - n // 2) * VOXEL for n in SIZE], indexing="ij"))
    particle = torch.tensor(np.exp(-0.5 * (place**2).sum(0) / 3.0**2), dtype=torch.float32)
    assert Spectrum.of(particle, VOXEL).volume(torch.tensor(1.0)).abs().max() < 0.08


def test_noise_has_power_one_in_every_shell():
    spectrum = Spectrum.of(37 * noise(), VOXEL)
    at = power(spectrum.values)
    for low in (0.3, 0.45, 0.6, 0.75):
        ring = (spectrum.radius > low) & (spectrum.radius < low + 0.1)
        assert at[ring].mean() == pytest.approx(1, rel=0.15)
    assert not at[~spectrum.inside].any()


def test_components_of_another_volume_are_in_the_same_units():
    spectrum = Spectrum.of(noise(), VOXEL)
    torch.testing.assert_close(spectrum.alike(3 * noise()), 3 * spectrum.values)
    other = Spectrum.of(noise(1), VOXEL)
    both = Spectrum.of(noise() + noise(1), VOXEL)
    torch.testing.assert_close(both.alike(noise()) + both.alike(noise(1)), both.values, atol=1e-4, rtol=1e-4)
    assert other.values.shape == spectrum.values.shape


def test_what_a_share_leaves_adds_up():
    spectrum = Spectrum.of(noise(), VOXEL)
    share = torch.rand(spectrum.values.shape)
    parts = spectrum.volume(share) + spectrum.volume(1 - share)
    torch.testing.assert_close(parts, spectrum.volume(torch.ones_like(share)), atol=1e-5, rtol=1e-4)
    assert parts.shape == SIZE


def test_planes_below_zero_are_those_of_the_whole_transform():
    """|F(-k)| = |F(k)|: what is put before kz = 0 is what a complex transform has there."""
    values = noise()[:35, :35, :]  # odd lengths, whose middle is zero
    whole = torch.fft.fftshift(torch.fft.fftn(values), dim=(0, 1)).abs()
    half = whole[..., : values.shape[2] // 2 + 1]
    torch.testing.assert_close(overlapped(half), whole.roll(4, 2)[..., : half.shape[2] + 4], rtol=1e-3, atol=1e-3)


def test_medians_are_those_of_the_shells():
    spectrum = Spectrum.of(noise(), VOXEL)
    at = power(spectrum.values)
    shells = (spectrum.radius / 0.03).long()
    medians = shell_medians(at, spectrum.radius)
    for shell in (8, 15, 27):
        expected = np.median(at[shells == shell].numpy())
        assert medians[shells == shell].unique().numpy() == pytest.approx(expected, rel=1e-4)


def test_a_local_mean_is_over_the_neighbours():
    point = torch.zeros(7, 7, 7)
    point[3, 3, 3] = 27.0
    assert local_mean(point)[2:5, 2:5, 2:5].eq(1).all()
    assert local_mean(point).sum() == pytest.approx(27)
