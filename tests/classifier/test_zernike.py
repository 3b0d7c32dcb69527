import importlib.util
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pann.classifier.zernike import sample, zernike_basis, zernike_functions, zernike_moments
from pann.core.errors import ConfigError
from pann.core.random import generator

BLOBS = np.array([[0.0, 0.0, 0.0], [0.5, 0.2, -0.3], [-0.4, 0.5, 0.1], [0.1, -0.6, 0.4]])


def gaussians(points, centres, width, heights):
    distance2 = ((points[..., None, :] - centres) ** 2).sum(-1)
    return (heights * np.exp(-distance2 / (2 * width**2))).sum(-1)


def rotations(n):
    return Rotation.random(n, rng=generator(5, "rotations"))


@pytest.mark.parametrize("order", [0, 1, 4, 8, 12])
def test_orthonormal_on_the_ball(order):
    basis = zernike_basis(order)
    gram = basis.functions.T @ (basis.weights[:, None] * basis.functions)
    assert torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-11)
    assert basis.weights.sum().item() == pytest.approx(4 * np.pi / 3)
    assert len(basis.degrees) == (order + 1) * (order + 2) * (order + 3) // 6


def test_first_functions_are_the_textbook_ones():
    points = np.array([[0.0, 0.0, 0.5], [0.3, -0.2, 0.1]])
    radius = np.linalg.norm(points, axis=1)
    values = zernike_functions(points, 2)
    assert values[:, 0] == pytest.approx(np.sqrt(3 / (4 * np.pi)))
    linear = np.sqrt(15 / (4 * np.pi))
    assert values[:, 1:4] == pytest.approx(linear * points[:, [1, 2, 0]])
    assert values[:, 4] == pytest.approx(np.sqrt(7 / (4 * np.pi)) * (2.5 * radius**2 - 1.5))


def test_invariants_of_an_analytic_density_do_not_turn():
    basis = zernike_basis(8, oversampling=40)
    heights = np.array([1.0, 0.5, 0.3, 0.8])
    points = basis.points.numpy()
    turned = [BLOBS @ r.as_matrix().T for r in rotations(4)]
    samples = np.stack([gaussians(points, centres, 0.3, heights) for centres in [BLOBS, *turned]])
    moments = basis.project(torch.from_numpy(samples))
    invariants = basis.invariants(moments)
    assert (invariants[1:] - invariants[0]).abs().max() < 1e-6 * invariants[0].max()
    assert (moments[1:] - moments[0]).abs().max() > 0.01


def test_invariants_on_a_grid_do_not_turn():
    spacing, radius = 0.35, 1.7
    basis = zernike_basis(8)
    axes = np.meshgrid(*[np.arange(33) - 16] * 3, indexing="ij")
    grid = spacing * np.stack(axes, axis=-1)
    offset = np.array([0.11, -0.05, 0.16])
    atoms = np.array([[0, 0, 0], [1.9, 1.9, 0], [-1.9, 0, 1.9], [0, -1.9, 1.9], [0, 1.9, -1.9]])
    heights = np.array([1.0, 1.4, 0.6, 0.8, 1.2])
    invariants = []
    for turn in [np.eye(3), *rotations(4).as_matrix()]:
        density = gaussians(grid, atoms @ turn.T + offset, 0.55, heights)
        centre = torch.from_numpy(offset / spacing + 16)[None]
        invariants.append(basis.invariants(zernike_moments(torch.from_numpy(density), centre, radius / spacing, basis)))
    spread = torch.cat(invariants) - invariants[0]
    assert spread.abs().max() < 1e-2 * invariants[0].max()


def test_reconstruction_converges_with_the_order():
    heights = np.array([1.0, 0.5, 0.3, 0.8])
    inside = generator(2, "points").uniform(-0.5, 0.5, (200, 3))
    true = gaussians(inside, BLOBS, 0.4, heights)
    errors = []
    for order in (2, 4, 8, 12):
        basis = zernike_basis(order, oversampling=12)
        moments = basis.project(torch.from_numpy(gaussians(basis.points.numpy(), BLOBS, 0.4, heights)))
        found = basis.reconstruct(moments, torch.from_numpy(inside)).numpy()
        errors.append(np.sqrt(((found - true) ** 2).mean()))
    assert all(later < 0.6 * earlier for earlier, later in pairwise(errors))
    assert errors[-1] < 1e-3 * true.max()


def test_gradient_agrees_with_finite_differences():
    basis = zernike_basis(3, oversampling=0)
    density = torch.from_numpy(generator(1, "density").random((6, 6, 6))).requires_grad_()
    centres = torch.tensor([[2.3, 2.6, 2.4], [3.1, 2.2, 3.4]], dtype=torch.float64)

    def invariants(values):
        return basis.invariants(zernike_moments(values, centres, 1.9, basis))

    assert torch.autograd.gradcheck(invariants, density)


def test_no_nan_gradient_in_an_empty_ball():
    basis = zernike_basis(2)
    density = torch.zeros(6, 6, 6, requires_grad=True)
    basis.invariants(zernike_moments(density, torch.tensor([[3.0, 3.0, 3.0]]), 2.0, basis)).sum().backward()
    assert torch.isfinite(density.grad).all()


def test_sampling_is_exact_for_a_linear_density_and_zero_outside():
    x, y, z = np.meshgrid(np.arange(5), np.arange(6), np.arange(7), indexing="ij")
    density = torch.from_numpy(1.0 * x + 10.0 * y + 100.0 * z)
    index = torch.tensor([[1.25, 2.5, 3.75], [4.0, 5.0, 6.0], [9.0, 2.0, 2.0]], dtype=torch.float64)
    assert sample(density, index).tolist() == pytest.approx([401.25, 654.0, 0.0])


def test_batches_do_not_change_the_moments():
    basis = zernike_basis(4)
    density = torch.from_numpy(generator(3, "density").random((9, 9, 9)))
    centres = torch.from_numpy(generator(3, "centres").uniform(2, 6, (7, 3)))
    whole = zernike_moments(density, centres, 2.0, basis)
    assert torch.allclose(whole, zernike_moments(density, centres, 2.0, basis, batch_size=2))
    assert zernike_moments(density, centres[:0], 2.0, basis).shape == (0, 35)


def test_order_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="Zernike order 40"):
        zernike_basis(40)


def test_invariants_agree_with_zmpy3d(repository):
    pytest.importorskip("ZMPY3D", reason="a development tool: pip install ZMPY3D")
    spec = importlib.util.spec_from_file_location(
        "benchmark_script", repository / "scripts" / "benchmark_classifier.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    edge, radius, order = 61, 28.0, 6
    grid = np.stack(np.meshgrid(*[np.arange(edge) - edge // 2] * 3, indexing="ij"), axis=-1) / radius
    density = gaussians(grid, 0.5 * BLOBS, 0.12, np.array([1.0, 0.5, 0.3, 0.8]))
    density[np.linalg.norm(grid, axis=-1) > 1] = 0  # it integrates over the whole cube
    basis = zernike_basis(order)
    centre = torch.full((1, 3), edge // 2, dtype=torch.float64)
    ours = basis.invariants(zernike_moments(torch.from_numpy(density), centre, radius, basis))[0].numpy()
    theirs = script.zmpy3d_invariants(density, radius, order)
    theirs = np.array([theirs[n, degree] for n, degree in basis.shells])
    assert np.abs(np.sqrt(3 / (4 * np.pi)) * ours - theirs).max() < 5e-3 * theirs.max()
