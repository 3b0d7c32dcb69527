import numpy as np
import pytest
import torch

from pann.core import Volume
from pann.refiner.acquisition import N_ACQUISITION
from pann.refiner.lattices.bragg import RISE, excess, risen
from pann.refiner.lattices.filter import LatticeFilter, to_space, to_spectrum
from pann.refiner.lattices.orientation import find_lattices
from pann.refiner.lattices.spectrum import OVERLAP, Spectrum, power
from pann.refiner.lattices.task import LatticeTask, signal_of, unexplained
from tests.refiner.lattices.scenes import VOXEL, crystal, noisy


@pytest.fixture
def net():
    torch.manual_seed(3)
    return LatticeFilter(width=4, rounds=3).eval()


def filtered(net, values, acquisition=None):
    acquisition = torch.full((N_ACQUISITION,), 0.5) if acquisition is None else acquisition
    with torch.inference_mode():
        spectrum = Spectrum.of(torch.tensor(values, dtype=torch.float32), VOXEL)
        return net(spectrum, acquisition, find_lattices(spectrum)).numpy()


def spectrum_of(volume: Volume) -> Spectrum:
    return Spectrum.of(torch.from_numpy(volume.values.astype(np.float32)), VOXEL)


def test_the_answer_scales_with_the_volume(net):
    values = noisy(crystal(), 0.5).values
    np.testing.assert_allclose(filtered(net, 37 * values), 37 * filtered(net, values), rtol=1e-3, atol=3e-3)


def test_no_more_than_the_component_passes(net):
    spectrum = spectrum_of(noisy(crystal(), 0.5))
    share = net.share(spectrum, torch.zeros(N_ACQUISITION), find_lattices(spectrum))
    assert share.min() >= 0
    assert share.max() <= 1
    assert not share[~spectrum.inside].any()


def test_of_vacuum_nothing_is_left(net):
    assert not filtered(net, np.zeros((20, 24, 17))).any()


def test_the_acquisition_matters(net):
    values = noisy(crystal(), 0.5).values
    assert np.abs(filtered(net, values, torch.zeros(N_ACQUISITION)) - filtered(net, values)).max() > 1e-3


def test_to_space_and_back():
    spectrum = spectrum_of(noisy(crystal(), 0.5))
    n = spectrum.values.shape
    back = to_spectrum(to_space(spectrum.values, (n[0], n[1], 2 * n[2] - 1)))
    torch.testing.assert_close(back[..., 1:], spectrum.values[..., 1:], rtol=1e-3, atol=1e-3)


def test_strong_reflections_say_where_the_weak_ones_are():
    """From what stands out alone, vectors and atoms tell reflections that do not from noise of the same power."""
    positions = crystal()
    spectrum = spectrum_of(noisy(positions, 1.6))
    passed = excess(risen(spectrum), RISE)
    clean = power(spectrum.alike(torch.tensor(noisy(positions, 0.0).values)))
    reflection = (clean > 1) & (passed == 0)
    blank = spectrum.inside & (clean < 0.01) & (passed == 0)
    said = LatticeFilter._expected(spectrum, passed)[..., OVERLAP:]
    assert reflection.sum() > 10
    for feature in (1, 3, 5):  # the vectors, and the agreement with either density of atoms
        gap = said[feature][reflection].mean() - said[feature][blank].mean()
        assert gap > said[feature][blank].std(), feature


def test_the_signal_is_what_is_left_without_noise():
    positions = crystal()
    atoms = torch.tensor(noisy(positions, 0.0).values)
    everything = torch.tensor(1.0)
    clean = spectrum_of(noisy(positions, 0.0))
    assert unexplained(everything, clean, signal_of(clean, atoms)) < 1e-3
    spectrum = spectrum_of(noisy(positions, 1.0))
    signal = signal_of(spectrum, atoms)
    wiener = power(signal) / (power(signal) + 1)
    best = unexplained(wiener, spectrum, signal)
    assert best < unexplained(everything, spectrum, signal)
    assert best < unexplained(excess(risen(spectrum), RISE), spectrum, signal)


def test_the_transfer_of_the_reconstruction_is_part_of_the_signal():
    """Half of the amplitude, half of the signal."""
    positions = crystal()
    atoms = torch.tensor(noisy(positions, 0.0).values)
    spectrum = spectrum_of(noisy(positions, 0.3))
    torch.testing.assert_close(signal_of(spectrum, 2 * atoms), signal_of(spectrum, atoms), rtol=1e-3, atol=1e-3)


def test_it_learns_to_beat_the_filter_without_a_network():
    positions = crystal(8.0)
    atoms = torch.tensor(noisy(positions, 0.0).values)
    samples = []
    for seed in range(2):
        spectrum = spectrum_of(noisy(positions, 0.8, seed=seed))
        samples.append((spectrum, signal_of(spectrum, atoms), find_lattices(spectrum)))
    torch.manual_seed(1)
    net = LatticeFilter(width=8, rounds=2)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)

    def error(spectrum, signal, lattices):
        return unexplained(net.share(spectrum, torch.zeros(N_ACQUISITION), lattices), spectrum, signal)

    for _ in range(60):
        optimizer.zero_grad()
        error(*samples[0]).backward()
        optimizer.step()
    spectrum, signal, _ = held_out = samples[1]
    assert error(*held_out) < 0.9 * unexplained(excess(risen(spectrum), RISE), spectrum, signal)


def test_a_mirrored_sample_has_the_mirrored_components_and_signal(prepared):
    """Mirrored along x and z, the component at kx, ky, kz is that of kx, -ky, kz or its conjugate."""
    task = LatticeTask(LatticeFilter(width=4, rounds=2), None, None, 0.35)
    (plain, signal), (mirrored, mirrored_signal) = (task._spectra(prepared, axes) for axes in ((), (0, 2)))
    torch.testing.assert_close(power(mirrored.values).flip(1), power(plain.values), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(power(mirrored_signal).flip(1), power(signal), rtol=1e-3, atol=1e-3)


def test_the_lattices_that_were_found_matter():
    spectrum = spectrum_of(noisy(crystal(), 1.0))
    net = LatticeFilter(width=4, rounds=2)
    for step in net.rounds:
        torch.nn.init.constant_(step.told.weight, 1.0)
    found = find_lattices(spectrum)
    with torch.no_grad():
        here = net.share(spectrum, torch.zeros(N_ACQUISITION), found)
        elsewhere = net.share(spectrum, torch.zeros(N_ACQUISITION), [lattice.mirrored((0,)) for lattice in found])
    assert (here - elsewhere).abs().max() > 0.05
