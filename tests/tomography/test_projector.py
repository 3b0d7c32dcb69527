"""The projector pair: adjoint, differentiable, uniform, in the frame of core/geometry, equal on both paths."""

import numpy as np
import pytest
import torch

from pann.core import PointSpread
from pann.core.geometry import project_positions
from pann.core.random import generator
from pann.tomography import make_projector
from pann.tomography.footprint import trapezoid_integral
from pann.tomography.linear_map import Projector
from pann.tomography.rays import RayProjector
from pann.tomography.slicewise import SlicewiseProjector

SHAPE = (16, 12, 14)
FIELD = (18, 13)
TILTS = np.array([-70.0, -33.0, 0.0, 12.5, 45.0, 90.0])
NEARLY = np.stack([np.linspace(-0.4, 0.4, 6), TILTS, np.linspace(0.4, -0.3, 6)], axis=1)
EULER = np.stack([np.linspace(-25, 30, 6), TILTS, np.linspace(12, -20, 6)], axis=1)
PSF = PointSpread.core_and_halo(0.4)


def random_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(generator(3, name).random(shape), dtype=torch.float32)


def projectors() -> list[tuple[str, Projector]]:
    return [
        ("single axis", SlicewiseProjector(TILTS, SHAPE, FIELD, 0.4)),
        ("near single axis", SlicewiseProjector(NEARLY, SHAPE, FIELD, 0.4)),
        ("with a PSF", SlicewiseProjector(TILTS, SHAPE, FIELD, 0.4, PSF)),
        ("rays", RayProjector(EULER, SHAPE, FIELD, 0.4, PSF)),
        ("rays of another voxel", RayProjector(EULER, SHAPE, FIELD, 0.4, None, voxel_size=0.5)),
    ]


@pytest.mark.parametrize(("name", "projector"), projectors())
def test_adjoint(name: str, projector: Projector) -> None:
    volume = random_tensor(name, SHAPE)
    images = random_tensor(f"{name} images", (6, *FIELD))
    forward = (projector.forward(volume).double() * images).sum()
    backward = (volume * projector.adjoint(images).double()).sum()
    assert abs(forward / backward - 1) < 1e-5


@pytest.mark.parametrize(("name", "projector"), projectors())
def test_gradient_is_the_adjoint(name: str, projector: Projector) -> None:
    volume = random_tensor(name, SHAPE).requires_grad_()
    images = random_tensor(f"{name} images", (6, *FIELD))
    (projector.forward(volume) * images).sum().backward()
    torch.testing.assert_close(volume.grad, projector.adjoint(images))


def test_a_subset_is_those_rows() -> None:
    whole = SlicewiseProjector(NEARLY, SHAPE, FIELD, 0.4, PSF)
    volume = random_tensor("subset", SHAPE)
    torch.testing.assert_close(whole.subset([1, 4]).forward(volume), whole.forward(volume)[[1, 4]])


def test_the_angles_choose_the_path() -> None:
    assert isinstance(make_projector(TILTS, SHAPE, FIELD, pixel_size=0.4), SlicewiseProjector)
    assert isinstance(make_projector(NEARLY, SHAPE, FIELD, pixel_size=0.4), SlicewiseProjector)
    assert isinstance(make_projector(EULER, SHAPE, FIELD, pixel_size=0.4), RayProjector)
    assert isinstance(make_projector(TILTS, SHAPE, FIELD, pixel_size=0.4, voxel_size=0.3), RayProjector)


def blob(centre: np.ndarray, shape: tuple[int, int, int], width: float = 1.6) -> torch.Tensor:
    axes = [np.arange(n) - n // 2 - c for n, c in zip(shape, centre, strict=True)]
    parts = [np.exp(-0.5 * (axis / width) ** 2) for axis in axes]
    return torch.tensor(np.einsum("i,j,k->ijk", *parts), dtype=torch.float32)


@pytest.mark.parametrize(("angles", "kind"), [(NEARLY, SlicewiseProjector), (EULER, RayProjector)])
def test_a_blob_lands_where_the_geometry_says(angles: np.ndarray, kind: type[Projector]) -> None:
    shape, centre = (40, 38, 42), np.array([5.0, -4.0, 6.0])
    images = kind(angles, shape, (44, 41), 1.0).forward(blob(centre, shape)).double().numpy()
    u, v = np.arange(44) - 22, np.arange(41) - 20
    found = np.stack([np.einsum("tuv,u->t", images, u), np.einsum("tuv,v->t", images, v)], axis=1)
    found /= images.sum((1, 2))[:, None]
    np.testing.assert_allclose(found, project_positions(centre[None], angles)[:, 0], atol=0.02)


def test_both_paths_agree_near_the_axis() -> None:
    shape = (32, 30, 34)
    volume = blob(np.array([3.0, 2.0, -4.0]), shape) + blob(np.array([-6.0, -3.0, 5.0]), shape)
    fast = SlicewiseProjector(NEARLY, shape, (32, 30), 1.0).forward(volume)
    exact = RayProjector(NEARLY, shape, (32, 30), 1.0).forward(volume)
    assert float((fast - exact).norm() / exact.norm()) < 0.02


def test_intensity_is_conserved() -> None:
    shape = (24, 24, 24)
    volume = blob(np.zeros(3), shape)
    for kind, angles in ((SlicewiseProjector, TILTS), (RayProjector, EULER)):
        images = kind(angles, shape, (40, 40), 1.0).forward(volume)
        torch.testing.assert_close(images.sum((1, 2)), torch.full((6,), float(volume.sum())), rtol=2e-3, atol=0)


def test_a_slab_has_the_thickness_that_geometry_gives() -> None:
    tilts = [0.0, 30.0, 45.0, 60.0]
    slab = torch.zeros(120, 3, 40)
    slab[:, :, 10:30] = 1
    images = SlicewiseProjector(tilts, (120, 3, 40), (120, 3), 1.0).forward(slab)
    for image, tilt in zip(images, tilts, strict=True):
        torch.testing.assert_close(image[50:70, 1], torch.full((20,), 20 / np.cos(np.deg2rad(tilt))), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.8, 0.6), (0.7071, 0.7071)])
def test_trapezoid_integral_is_a_cumulative_distribution(a: float, b: float) -> None:
    u = np.linspace(-2, 2, 4001)
    integral = trapezoid_integral(u, a, b)
    assert integral[0] == 0
    assert integral[-1] == pytest.approx(1)
    density = np.gradient(integral, u)
    assert density.min() > -1e-9
    assert np.trapezoid(density * u**2, u) == pytest.approx((a**2 + b**2) / 12, abs=2e-4)


def test_psf_keeps_the_intensity_and_adds_its_variance() -> None:
    shape = (48, 48, 8)
    volume = blob(np.zeros(3), shape, width=1.0)
    sharp = SlicewiseProjector([0.0], shape, shape[:2], 0.4).forward(volume)[0].double().numpy()
    wide = SlicewiseProjector([0.0], shape, shape[:2], 0.4, PSF).forward(volume)[0].double().numpy()
    x = (np.arange(48) - 24) * 0.4
    gained = [(image.sum(1) * x**2).sum() / image.sum() for image in (sharp, wide)]
    expected = sum(w * s**2 for s, w in zip(PSF.sigmas, PSF.weights, strict=True))
    assert wide.sum() == pytest.approx(sharp.sum(), rel=1e-3)
    assert gained[1] - gained[0] == pytest.approx(expected, rel=0.02)
