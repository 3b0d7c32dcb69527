"""Likelihoods, and the Fisher information against the curvature of the expected likelihood."""

import numpy as np
import pytest
import torch

from pann.core.geometry import rotation_matrices
from pann.fitting.fisher import position_covariance
from pann.fitting.image_model import ImageModel
from pann.fitting.likelihood import GaussianNoise, PoissonNoise
from pann.fitting.parameters import Layout, State
from tests.fitting.fit_scene import particle


def test_the_deviance_of_a_perfect_model_is_zero_and_its_slope_is_the_residual():
    counts = torch.tensor([[[0.0, 1.0], [4.0, 7.0]]], dtype=torch.float64)
    expected = torch.tensor([[[0.5, 1.0], [3.0, 9.0]]], dtype=torch.float64)
    noise = PoissonNoise(1e-6)
    assert noise.deviance(counts, counts) == pytest.approx(0, abs=1e-4)
    step = torch.full_like(expected, 1e-5)
    slope = (noise.deviance(counts, expected + step) - noise.deviance(counts, expected - step)) / 4e-5
    assert slope == pytest.approx(float(noise.residual(counts, expected).sum()), rel=1e-6)


def test_the_noise_of_processed_images_is_estimated():
    rng = np.random.default_rng(0)
    images = torch.tensor(rng.normal(scale=2.5, size=(3, 40, 40)))
    noise = GaussianNoise.estimate(images, torch.zeros_like(images), 0)
    assert noise.sigma == pytest.approx(2.5, rel=0.03)
    assert noise.deviance(images, torch.zeros_like(images)) == pytest.approx(images.numel())


def test_fisher_information_is_the_curvature_of_the_expected_likelihood():
    angles = np.linspace(-60, 60, 7)
    layout = Layout(torch.zeros(4, dtype=torch.long), 7, background="none", width=False)
    state = State(
        positions=torch.tensor(particle(4)),
        intensity=torch.tensor([80.0], dtype=torch.float64),
        background=torch.full((7,), 0.5, dtype=torch.float64),
        scale=torch.ones(7, dtype=torch.float64),
        shifts=torch.zeros(7, 2, dtype=torch.float64),
        sigma=0.45,
    )
    model = ImageModel(torch.tensor(rotation_matrices(angles)), (28, 28), 0.4, layout, dtype=torch.float64)
    noise, truth = PoissonNoise(1e-9), model.at(state)
    # layout.background "none" takes no step in it: the constant of the state stays

    def moved(steps: list[tuple[int, float]]) -> float:
        step = torch.zeros(layout.n_parameters, dtype=torch.float64)
        for index, size in steps:
            step[index] += size
        return 0.5 * noise.deviance(truth.images, model.at(layout.move(state, step)).images)

    n = layout.n_parameters
    sizes = [2e-3] * 12 + [0.1]
    hessian = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(i + 1):
            corners = [(s, r, moved([(i, s * sizes[i]), (j, r * sizes[j])])) for s in (1, -1) for r in (1, -1)]
            hessian[i, j] = hessian[j, i] = sum(s * r * v for s, r, v in corners) / (4 * sizes[i] * sizes[j])
    expected = torch.linalg.inv(hessian)[:12, :12].reshape(4, 3, 4, 3).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    found = position_covariance(truth, noise.inverse_variance(truth.images), torch.zeros(n).double(), True, 1.0)
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.01 * float(expected.abs().max()))
