import numpy as np
import pytest
import torch

from pann.core import AtomicModel, InputError
from pann.core.geometry import index_to_position, project_positions
from pann.simulation.imaging import splat
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import LinearTier, linear_batch, series_psf
from pann.simulation.imaging.splat import splat_gaussians
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.windowed import WindowedTier
from pann.simulation.microscope import Microscope


def linear_images(
    model: AtomicModel, angles: object, shape: tuple[int, int], pixel: float, microscope: Microscope, **options: object
) -> np.ndarray:
    return LinearTier(**options).fractions(model, Views(angles, shape, pixel), microscope)


def test_one_gaussian_atom_has_the_closed_form() -> None:
    point, sigma, mass, pixel = (0.37, -0.81), 0.5, 2.0, 0.4
    image = splat_gaussians(torch.tensor([[point]]), torch.tensor([[sigma]]), torch.tensor([[mass]]), (24, 20), pixel)
    x = (np.arange(24) - 12)[:, None] * pixel - point[0]
    y = (np.arange(20) - 10)[None, :] * pixel - point[1]
    expected = mass * np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    np.testing.assert_allclose(image[0].numpy(), expected, atol=1e-6)


def test_gradient_of_positions_matches_finite_differences() -> None:
    points = torch.tensor([[[0.1, 0.2], [-0.4, 0.5]]], dtype=torch.float64, requires_grad=True)
    sigmas = torch.tensor([[0.4, 0.9], [0.5, 1.0]], dtype=torch.float64)
    masses = torch.tensor([[1.0, 0.2], [2.0, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, m: splat_gaussians(p, sigmas, m, (4, 4), 0.4), (points, masses))


def test_the_sum_of_an_image_is_the_sum_of_cross_sections(microscope: Microscope, three_atoms: AtomicModel) -> None:
    images = linear_images(three_atoms, [0.0, 50.0], (80, 80), 0.4, microscope)
    kernels = atom_kernels(microscope, [28, 78])
    total = 2 * kernels[78].cross_section + kernels[28].cross_section
    np.testing.assert_allclose(images.sum(axis=(1, 2)) * 0.4**2, total, rtol=2e-3)


@pytest.mark.parametrize("angles", [(0.0, 35.0, 0.0), (20.0, -30.0, 10.0)])
def test_images_peak_where_the_geometry_projects_the_atoms(
    microscope: Microscope, angles: tuple[float, float, float]
) -> None:
    model = AtomicModel([[3.0, -2.0, 4.0]], [79])
    image = linear_images(model, [angles], (64, 64), 0.25, microscope)[0]
    peak = index_to_position(np.unravel_index(image.argmax(), image.shape), image.shape, 0.25)
    np.testing.assert_allclose(peak, project_positions(model.positions, [angles])[0, 0], atol=0.13)


def test_blocks_do_not_change_the_images(monkeypatch: pytest.MonkeyPatch, three_atoms: AtomicModel) -> None:
    angles = np.linspace(-60, 60, 7)
    whole = linear_images(three_atoms, angles, (30, 30), 0.4, Microscope())
    monkeypatch.setitem(splat._CHUNK_VALUES, "cpu", 1)
    np.testing.assert_allclose(linear_images(three_atoms, angles, (30, 30), 0.4, Microscope()), whole, rtol=1e-5)


def test_scale_and_saturation(microscope: Microscope, three_atoms: AtomicModel) -> None:
    def images(**options: object) -> np.ndarray:
        return linear_images(three_atoms, [0.0, 10.0], (40, 40), 0.4, microscope, **options)

    plain = images()
    np.testing.assert_allclose(images(scale=(1.0, 1.2)), plain * np.array([1.0, 1.2])[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(images(saturation=5.0), plain / (1 + 5 * plain), rtol=1e-5)


def test_the_profile_of_a_series_is_that_of_its_heaviest_part(microscope: Microscope) -> None:
    model = AtomicModel([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]], [78, 6])
    psf = series_psf(model, 0.4, microscope)
    image = linear_images(model.select([0]), [0.0], (40, 40), 0.4, microscope)[0]
    height = sum(w / (2 * np.pi * s**2) for s, w in zip(psf.sigmas, psf.weights, strict=True))
    assert image.max() == pytest.approx(height * atom_kernels(microscope, [78])[78].cross_section, rel=1e-5)


def test_atoms_without_element_are_refused(microscope: Microscope) -> None:
    with pytest.raises(InputError, match="element of every atom"):
        linear_images(AtomicModel([[0.0, 0.0, 0.0]]), [0.0], (8, 8), 0.4, microscope)


def test_a_batch_of_different_series_is_each_of_them(microscope: Microscope, three_atoms: AtomicModel) -> None:
    one = (three_atoms, Views([0.0, 20.0, 40.0], (24, 31), 0.4), microscope)
    two = (three_atoms.select([0, 2]), Views([-10.0], (41, 18), 0.31), Microscope(300e3, 30, 38, 200, 0.25))
    tiers = LinearTier(scale=(1.0, 0.9, 1.1)), LinearTier(saturation=4.0, thermal_sigma={78: 0.06, 28: 0.09})
    for images, entry, tier in zip(linear_batch([one, two], tiers), (one, two), tiers, strict=True):
        np.testing.assert_allclose(images.numpy(), tier.fractions(*entry), rtol=1e-4, atol=1e-9)
    assert linear_batch([], LinearTier()) == []
    with pytest.raises(InputError, match="2 series and 1 tiers"):
        linear_batch([one, two], tiers[:1])


def test_one_image_is_that_of_its_series(microscope: Microscope, three_atoms: AtomicModel) -> None:
    views = Views([0.0, 20.0], (24, 24), 0.4, defocus=[0.0, 20.0], present=[[1, 1, 1], [0, 1, 1]])
    tier = LinearTier(scale=(1.0, 0.9), saturation=1.0)
    np.testing.assert_allclose(
        tier.fraction(three_atoms, views, 1, microscope), tier.fractions(three_atoms, views, microscope)[1], rtol=1e-4
    )
    with pytest.raises(InputError, match="2 scales for 1 images"):
        tier.fractions(three_atoms, views.only(0), microscope)


def test_vanished_atoms_leave_no_mark(microscope: Microscope, three_atoms: AtomicModel) -> None:
    views = Views([15.0], (24, 24), 0.4, present=[[True, False, True]])
    rest = LinearTier().fractions(three_atoms.select([0, 2]), Views([15.0], (24, 24), 0.4), microscope)
    np.testing.assert_allclose(LinearTier().fractions(three_atoms, views, microscope), rest, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("height", [14.0, -33.0])
def test_atoms_out_of_focus_look_as_scattering_makes_them(microscope: Microscope, height: float) -> None:
    """One atom above or below the focal plane, by windowed multislice, whose box of 9 Å cuts the tails of the probe by
    some per cent, and by interpolated kernels.
    """
    model, views = AtomicModel([[0.2, 0.1, 0.0]], [47]), Views([0.0], (22, 22), 0.4, defocus=[-height])
    image = WindowedTier(thermal_sigma=0.0).fraction(model, views, 0, microscope)
    linear = LinearTier(thermal_sigma=0.0, depth_of_focus=True).fraction(model, views, 0, microscope)
    assert np.abs(image - linear).max() < 0.06 * image.max()
    assert linear.sum() == pytest.approx(image.sum(), rel=0.03)


def test_depth_of_focus_blurs_atoms_far_from_the_focal_plane(microscope: Microscope) -> None:
    near, far = AtomicModel([[0.0, 0.0, 0.0]], [47]), AtomicModel([[0.0, 0.0, 40.0]], [47])
    views, tier = Views([0.0], (40, 40), 0.4), LinearTier(depth_of_focus=True)
    sharp, blurred = (tier.fractions(model, views, microscope)[0] for model in (near, far))
    assert blurred.max() < 0.6 * sharp.max()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=0.01)
    flat = LinearTier().fractions(far, views, microscope)[0]
    np.testing.assert_allclose(flat, LinearTier().fractions(near, views, microscope)[0], rtol=1e-5)
    np.testing.assert_allclose(sharp, flat, atol=0.01 * flat.max())
