import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pann.core import TiltSeries
from pann.core.geometry import rotation_matrices
from pann.refiner.lattices.gradient import SMOOTH, CountsGradient, Planes
from pann.refiner.lattices.spectrum import power
from pann.tomography import make_projector
from tests.refiner.lattices.scenes import SHAPE, VOXEL, counted, crystal


def images_of(density, angles):
    """Expected images of a density (64³)."""
    projector = make_projector(angles, SHAPE, SHAPE[:2], pixel_size=VOXEL)
    return projector.forward(torch.from_numpy(density.astype(np.float32))).numpy()


@pytest.fixture(scope="module")
def smooth():
    """The envelope of a particle."""
    density, _ = counted(crystal())
    return gaussian_filter(density.numpy(), SMOOTH / VOXEL)


def test_of_a_particle_without_detail_only_noise_is_left(smooth):
    images = images_of(smooth, np.linspace(-63, 63, 25))
    density, series = counted(crystal(), images=2 * images / images.mean())
    gradient = CountsGradient.of(density, VOXEL, series)
    inside = gradient.spectrum.inside
    assert float(power(gradient.spectrum.values)[inside].mean()) == pytest.approx(1.0, abs=0.25)
    assert float(gradient.noise[:, inside].mean()) == pytest.approx(1.0, abs=0.25)
    assert abs(float(gradient.rise[inside].mean())) < 0.4
    assert 0.6 < float(gradient.rise[inside].std()) < 1.7


def test_a_wave_within_the_envelope_shows_in_proportion_to_the_information(smooth):
    """B(k) = c f(k), with one factor for all k, which is the unit of f."""
    angles = np.linspace(-63, 63, 25)
    axes = [(np.arange(n) - n // 2) * VOXEL for n in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    ratios = []
    for k in ([0.35, 0.1, 0.05], [0.0, 0.45, 0.0], [0.3, -0.2, 0.25], [0.1, 0.5, -0.1]):
        wave = np.cos(2 * np.pi * (k[0] * x + k[1] * y + k[2] * z))
        images = images_of(smooth * (1 + 0.2 * wave), angles)
        series = TiltSeries(3e4 * images / images.mean(), angles, VOXEL)  # no counting noise
        gradient = CountsGradient.of(torch.from_numpy(smooth), VOXEL, series)
        node = torch.tensor([k])
        component = gradient.components_at(node)[0]
        centre = torch.tensor(gradient.places.centre)
        phase = torch.exp(-2j * np.pi * (node[0] @ centre))
        ratio = component * phase / gradient.looked_up(gradient.information, node)[0]
        assert float(ratio.imag.abs()) < 0.1 * float(ratio.real)
        ratios.append(float(ratio.real))
    np.testing.assert_allclose(ratios, np.mean(ratios), rtol=0.25)


def test_information_between_components_is_that_of_the_noise(smooth):
    density, series = counted(crystal())
    gradient = CountsGradient.of(density, VOXEL, series)
    inside = gradient.spectrum.inside
    nodes = torch.stack(torch.meshgrid(*gradient.spectrum.frequencies, indexing="ij"), dim=-1)[inside]
    found, _ = gradient.information_at(nodes)
    measured = (gradient.noise.mean(0) * gradient.information)[inside]
    order = found.argsort(descending=True)
    for part in order[: len(order) // 2].chunk(4):  # the others lie in the missing wedge
        assert float(measured[part].mean() / found[part].mean()) == pytest.approx(1.0, abs=0.15)


def test_slopes_of_the_information_are_those_of_finite_differences():
    beams = torch.tensor(rotation_matrices([0.0, 35.0, -50.0])[:, 2], dtype=torch.float32)
    planes = Planes.of(beams, torch.diag(torch.tensor([20.0, 15.0, 25.0])))
    nodes = torch.tensor([[0.3, 0.1, 0.02], [0.2, -0.3, 0.15], [0.0, 0.5, 0.01]])
    found, slopes = planes.cut(nodes)
    assert float(found[2]) > 2.5  # near the tilt axis all images know
    for axis in range(3):
        step = 1e-3 * torch.eye(3)[axis]
        both = [planes.cut(nodes + sign * step)[0] for sign in (1, -1)]
        torch.testing.assert_close(slopes[:, axis], (both[0] - both[1]) / 2e-3, rtol=0.01, atol=0.02)


def test_a_window_takes_its_part_of_signal_and_noise():
    density, series = counted(crystal())
    gradient = CountsGradient.of(density, VOXEL, series)
    same, half = (gradient.within(torch.full_like(gradient.envelope, share)) for share in (1.0, 0.5))
    torch.testing.assert_close(same.spectrum.values, gradient.spectrum.values)
    torch.testing.assert_close(half.values, gradient.values / 2)
    torch.testing.assert_close(half.information, gradient.information / 4, rtol=1e-3, atol=0)
    right = (gradient.places.axes[0] > 0).float()[:, None, None].expand(gradient.envelope.shape)
    part = gradient.within(right)
    assert part.places.centre[0] > gradient.places.centre[0] + 2
    inside = gradient.spectrum.inside
    share = (part.envelope**2).sum() / (gradient.envelope**2).sum()
    ratio = part.information[inside].median() / gradient.information[inside].median()
    assert float(ratio / share) == pytest.approx(1.0, abs=0.25)


def test_images_need_not_be_counts():
    density, series = counted(crystal())
    scaled = TiltSeries(series.images * 7.5, series.angles, series.pixel_size)
    one, other = (CountsGradient.of(density, VOXEL, images) for images in (series, scaled))
    ratio = other.spectrum.values / torch.where(one.spectrum.inside, one.spectrum.values, 1.0)
    inside = one.spectrum.inside
    torch.testing.assert_close(ratio[inside], torch.full_like(ratio[inside], 7.5**0.5), rtol=1e-2, atol=1e-2)


def test_vacuum_has_no_gradient():
    series = TiltSeries(np.eye(64)[None].repeat(5, axis=0), np.linspace(-60, 60, 5), VOXEL)
    gradient = CountsGradient.of(torch.zeros(SHAPE), VOXEL, series)
    assert torch.isfinite(gradient.values).all()
    assert not gradient.values.any()


@pytest.mark.parametrize(("electrons", "least", "most"), [(0.1, 0.0, 0.25), (10.0, 0.4, 1.2)])
def test_detail_shows_atoms_as_far_as_the_counts_do(electrons, least, most):
    """Of a dim series it is small; of a bright one atoms stand out of what is between them."""
    density, series = counted(crystal(), electrons=electrons)
    detail = CountsGradient.of(density, VOXEL, series).detail
    assert detail.shape == density.shape
    shape = gaussian_filter(density.numpy(), SMOOTH / VOXEL)
    inside = shape > 0.3 * shape.max()
    assert least <= float(detail[torch.from_numpy(inside)].std()) < most
    if electrons > 1:
        assert np.corrcoef(detail.numpy()[inside], density.numpy()[inside])[0, 1] > 0.5
