import numpy as np
import pytest
import torch

from pann.core import PointSpread
from pann.refiner.losses import RefinerLoss
from pann.refiner.reprojection import reprojection_deviance
from pann.refiner.target import gaussian_atoms


@pytest.fixture
def loss():
    return RefinerLoss(density=1.0, atom_weight=4.0, floor=0.5, mass=0.1)


def density(example, positions=None, heights=None):
    positions = example.positions if positions is None else positions
    heights = example.heights if heights is None else heights
    return torch.from_numpy(gaussian_atoms(positions, heights, example.values.shape, 0.4, 0.5))


def test_the_truth_has_no_loss_and_a_missing_atom_has(loss, example):
    truth = density(example)[None, None]
    missing = density(example, heights=np.where(np.arange(12) == 3, 0, example.heights))[None, None]
    assert loss.total(loss(truth, truth)) == 0
    assert all(term > 0 for term in loss(missing, truth).values())


def test_total_weighs_its_terms(loss, example):
    truth = density(example)[None, None]
    terms = loss(truth * 0.8, truth)
    assert loss.total(terms).item() == pytest.approx(terms["density"].item() + 0.1 * terms["mass"].item())


def test_relative_errors_of_light_and_heavy_atoms_count_more_alike_than_their_squares(loss):
    atom = [[0.0, 0.0, 0.0]]
    errors = []
    for height in (0.3, 3.0):
        truth = torch.from_numpy(gaussian_atoms(atom, [height], (24, 24, 24), 0.4, 0.5))[None, None]
        errors.append(loss(truth * 0.9, truth)["density"].item())
    assert 10 < errors[1] / errors[0] < 40  # squares differ by 100


def test_the_truth_explains_the_images_best(example):
    """Moving or dropping an atom raises the re-projection deviance, which is near zero for noiseless images."""
    best = reprojection_deviance(density(example), example)
    moved = example.positions + np.where(np.arange(12) == 5, 0.5, 0.0)[:, None]
    dropped = np.where(np.arange(12) == 5, 0.0, example.heights)
    assert 0 <= best < 1e-3
    assert reprojection_deviance(density(example, positions=moved), example) > 5 * best + 1e-4
    assert reprojection_deviance(density(example, heights=dropped), example) > 5 * best + 1e-4


def test_deviance_does_not_depend_on_the_scale_of_the_density(example):
    truth = density(example, heights=np.ones(12))
    assert reprojection_deviance(truth * 7, example).item() == pytest.approx(
        reprojection_deviance(truth, example).item(), rel=1e-3
    )


def test_blur_of_the_images_is_taken_into_account(example):
    truth = density(example)
    assert reprojection_deviance(truth, example, PointSpread((0.6,))) > reprojection_deviance(truth, example)


def test_gradient_of_the_deviance_agrees_with_finite_differences(example):
    volume = density(example, heights=np.ones(12)) + 0.05
    volume.requires_grad_()
    reprojection_deviance(volume, example, tilts=slice(0, 4)).backward()
    direction = torch.randn(volume.shape, generator=torch.Generator().manual_seed(1)) * volume.detach()
    step = 1e-2
    with torch.no_grad():
        up, down = (
            reprojection_deviance(volume + sign * step * direction, example, tilts=slice(0, 4)) for sign in (1, -1)
        )
    slope = ((up - down) / (2 * step)).item()
    assert (volume.grad * direction).sum().item() == pytest.approx(slope, rel=0.02, abs=1e-5)
