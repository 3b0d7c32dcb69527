import numpy as np
import pytest
import torch

from pann.core import AtomicModel, InputError
from pann.core.geometry import index_to_position, project_positions
from pann.simulation import Microscope, atom_kernels, series_psf, simulate_linear
from pann.simulation.imaging.splat import splat_gaussians


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
    images = simulate_linear(three_atoms, [0.0, 50.0], (80, 80), 0.4, microscope)
    kernels = atom_kernels(microscope, [28, 78])
    total = 2 * kernels[78].cross_section + kernels[28].cross_section
    np.testing.assert_allclose(images.sum(axis=(1, 2)) * 0.4**2, total, rtol=2e-3)


@pytest.mark.parametrize("angles", [(0.0, 35.0, 0.0), (20.0, -30.0, 10.0)])
def test_images_peak_where_the_geometry_projects_the_atoms(
    microscope: Microscope, angles: tuple[float, float, float]
) -> None:
    model = AtomicModel([[3.0, -2.0, 4.0]], [79])
    image = simulate_linear(model, [angles], (64, 64), 0.25, microscope)[0]
    peak = index_to_position(np.unravel_index(image.argmax(), image.shape), image.shape, 0.25)
    np.testing.assert_allclose(peak, project_positions(model.positions, [angles])[0, 0], atol=0.13)


def test_blocks_do_not_change_the_images(monkeypatch: pytest.MonkeyPatch, three_atoms: AtomicModel) -> None:
    angles = np.linspace(-60, 60, 7)
    whole = simulate_linear(three_atoms, angles, (30, 30), 0.4, Microscope())
    monkeypatch.setattr("pann.simulation.imaging.splat._CHUNK_VALUES", 1)
    np.testing.assert_allclose(simulate_linear(three_atoms, angles, (30, 30), 0.4, Microscope()), whole, rtol=1e-5)


def test_scale_saturation_and_shifts(microscope: Microscope, three_atoms: AtomicModel) -> None:
    def images(**options: object) -> np.ndarray:
        return simulate_linear(three_atoms, [0.0, 10.0], (40, 40), 0.4, microscope, **options)

    plain = images()
    np.testing.assert_allclose(images(scale=[1.0, 1.2]), plain * np.array([1.0, 1.2])[:, None, None], rtol=1e-5)
    np.testing.assert_allclose(images(saturation=5.0), plain / (1 + 5 * plain), rtol=1e-5)
    moved = images(shifts=[[0.0, 0.0], [0.8, -0.4]])
    np.testing.assert_allclose(moved[1, 2:, :-1], plain[1, :-2, 1:], atol=1e-5 * plain.max())


def test_the_profile_of_a_series_is_that_of_its_heaviest_part(microscope: Microscope) -> None:
    model = AtomicModel([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]], [78, 6])
    psf = series_psf(model, 0.4, microscope)
    image = simulate_linear(model.select([0]), [0.0], (40, 40), 0.4, microscope)[0]
    height = sum(w / (2 * np.pi * s**2) for s, w in zip(psf.sigmas, psf.weights, strict=True))
    assert image.max() == pytest.approx(height * atom_kernels(microscope, [78])[78].cross_section, rel=1e-5)


def test_atoms_without_element_are_refused(microscope: Microscope) -> None:
    with pytest.raises(InputError, match="element of every atom"):
        simulate_linear(AtomicModel([[0.0, 0.0, 0.0]]), [0.0], (8, 8), 0.4, microscope)
