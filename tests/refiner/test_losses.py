import numpy as np
import pytest
import torch

from pann.core import PointSpread
from pann.refiner.fourier import MeasuredFourier
from pann.refiner.losses import RefinerLoss, atomicity
from pann.refiner.reprojection import reprojection_deviance
from pann.refiner.target import gaussian_atoms


@pytest.fixture
def loss():
    return RefinerLoss(density=1.0, atom_weight=4.0, floor=0.5, mass=0.1)


def terms(loss, prediction, truth):
    """All terms for a density, where the truth was measured over ±65°; the presence is right."""
    answer, target = (torch.cat([volume, truth], dim=1) for volume in (prediction, truth))
    return loss(answer, target, truth, torch.tensor([65.0]))


def density(example, positions=None, heights=None):
    positions = example.positions if positions is None else positions
    heights = example.heights if heights is None else heights
    return torch.from_numpy(gaussian_atoms(positions, heights, example.values.shape, 0.4, 0.5))


def test_the_truth_has_no_loss_and_a_missing_atom_has(loss, example):
    truth = density(example)[None, None]
    missing = density(example, heights=np.where(np.arange(12) == 3, 0, example.heights))[None, None]
    assert loss.total(terms(loss, truth, truth)) == 0
    assert all(term > 0 for term in terms(loss, missing, truth).values())


def test_presence_counts_every_voxel_alike(example):
    """Squared errors without emphasis, whose best answer is the mean: half a peak for an atom there half the time."""
    loss = RefinerLoss(density=0.0, atom_weight=4.0, floor=0.5, mass=0.0, presence=2.0)
    truth = density(example)[None, None].repeat(1, 2, 1, 1, 1)
    absent = torch.zeros_like(truth)
    level = torch.tensor(0.5, requires_grad=True)
    total = sum(loss.total(loss(level * truth, seen, truth[:, :1], torch.tensor([65.0]))) for seen in (truth, absent))
    (slope,) = torch.autograd.grad(total, level)
    assert abs(slope) < 1e-6
    assert total.item() == pytest.approx(2 * 2 * 0.25 * truth[:, 1].square().mean().item(), rel=1e-5)


def test_total_weighs_its_terms(loss, example):
    truth = density(example)[None, None]
    found = terms(loss, truth * 0.8, truth)
    assert loss.total(found).item() == pytest.approx(found["density"].item() + 0.1 * found["mass"].item())


def test_relative_errors_of_light_and_heavy_atoms_count_more_alike_than_their_squares(loss):
    atom = [[0.0, 0.0, 0.0]]
    errors = []
    for height in (0.3, 3.0):
        truth = torch.from_numpy(gaussian_atoms(atom, [height], (24, 24, 24), 0.4, 0.5))[None, None]
        errors.append(terms(loss, truth * 0.9, truth)["density"].item())
    assert 10 < errors[1] / errors[0] < 40  # squares differ by 100


def test_the_truth_explains_the_images_best(example):
    """Moving or dropping an atom raises the re-projection deviance, which rounded images leave small."""
    best = reprojection_deviance(density(example), example)
    moved = example.positions + np.where(np.arange(12) == 5, 0.5, 0.0)[:, None]
    dropped = np.where(np.arange(12) == 5, 0.0, example.heights)
    assert 0 <= best < 0.2
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


def test_all_terms_are_there_when_they_weigh(example):
    full = RefinerLoss(density=1.0, atom_weight=4.0, floor=0.5, mass=0.1, presence=0.5, fourier=0.2, atomicity=0.3)
    truth = density(example)[None, None]
    found = terms(full, truth * 0.8, truth)
    assert set(found) == {"density", "mass", "presence", "fourier", "atomicity"}
    assert full.total(found).item() == pytest.approx(
        sum(weight * found[name].item() for name, weight in full.weights.items())
    )


def test_fourier_term_sees_what_tilting_measured_and_nothing_else():
    """A plane wave along the beam lies in the missing wedge, one along x does not; scales do not matter."""
    agree = MeasuredFourier()
    x, _, z = (0.4 * axis for axis in torch.meshgrid(*[torch.arange(40.0)] * 3, indexing="ij"))
    base = torch.cos(2 * torch.pi * x / 3.2)[None, None]
    limit = torch.tensor([60.0])
    in_wedge = base + torch.cos(2 * torch.pi * z / 3.2)
    measured = base + torch.cos(2 * torch.pi * (x + z) / 4.8)
    assert agree(5 * base, base, limit).item() == pytest.approx(0, abs=1e-5)
    assert agree(in_wedge, base, limit).item() < 0.01
    assert agree(measured, base, limit).item() > 0.2
    assert agree(in_wedge, base, torch.tensor([90.0])).item() > 0.05  # hardly anything is missing then


def test_fourier_term_does_not_look_beyond_its_resolution():
    agree = MeasuredFourier()
    x = (0.4 * torch.arange(40.0))[:, None, None].expand(40, 40, 40)
    base = torch.cos(2 * torch.pi * x / 3.2)[None, None]
    fine = base + torch.cos(2 * torch.pi * x / 1.0)
    assert agree(fine, base, torch.tensor([60.0])).item() < 0.01


def test_separated_atoms_are_atomic_and_a_smear_or_a_pair_too_close_is_not(example):
    truth = density(example)[None, None]
    smear = torch.nn.functional.avg_pool3d(truth, 9, stride=1, padding=4)
    pair = torch.from_numpy(gaussian_atoms([[0, 0, 0.0], [0, 0, 1.2]], [1.0, 0.9], (24, 24, 24), 0.4, 0.3))[None, None]
    apart = torch.from_numpy(gaussian_atoms([[0, 0, 0.0], [0, 0, 2.4]], [1.0, 0.9], (24, 24, 24), 0.4, 0.3))[None, None]
    assert atomicity(truth) < 0.2
    assert atomicity(smear) > 0.5
    assert atomicity(pair) > atomicity(apart) + 0.1


def test_gradient_of_atomicity_takes_mass_from_between_the_atoms(example):
    volume = (density(example) + 0.1)[None, None].requires_grad_()
    atomicity(volume).backward()
    assert volume.grad[0, 0, 0, 0, 0] > 0  # vacuum: less is better
    index = np.unravel_index(int(volume.detach()[0, 0].argmax()), volume.shape[2:])
    assert volume.grad[(0, 0, *index)] < 0
