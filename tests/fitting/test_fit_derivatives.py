"""Rendering against dense Gaussians; derivatives against finite differences, autograd and their own transpose."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pann.core import PointSpread
from pann.core.geometry import rotation_matrices
from pann.core.random import generator
from pann.fitting.fisher import atom_information
from pann.fitting.image_model import ImageModel
from pann.fitting.newton import Constraint, Preconditioner, SharedSlopes
from pann.fitting.parameters import Layout, State
from pann.fitting.render import Renderer
from tests.fitting.fit_scene import dense_images

SHAPE, PIXEL = (36, 30), 0.35
N_ATOMS, N_TILTS = 7, 4
KIND = torch.tensor([0, 1, 0, 1, 1, 0, 2])
KINDS = [
    "positions",
    "intensity",
    "background",
    "scale",
    "shifts",
    "turns",
    "factor",
    "surface",
    "saturation",
    "attenuation",
    "element_width",
    "width",
    "halo_weight",
    "halo_ratio",
]


def scene(per_atom: bool = False, reach: float = 4.0) -> tuple[ImageModel, State, np.ndarray]:
    rng = generator(3, "scene")
    group = torch.arange(N_ATOMS) if per_atom else torch.tensor([0, 1, 0, 1, 1, 0, 0])
    free = dict.fromkeys(("scale", "shifts", "halo_weight", "halo_ratio", "turns", "saturation", "attenuation"), True)
    layout = Layout(group, N_TILTS, factors=not per_atom, surface=2, kind=KIND, element_widths=True, **free)
    angles = rng.uniform(-60, 60, (N_TILTS, 3))
    state = State(
        positions=torch.tensor(rng.uniform(-reach, reach, (N_ATOMS, 3))),
        intensity=torch.tensor(rng.uniform(50, 80, layout.n_groups)),
        background=torch.tensor(rng.uniform(1, 2, N_TILTS)),
        scale=torch.tensor(rng.uniform(0.9, 1.1, N_TILTS)),
        shifts=torch.tensor(rng.normal(scale=0.1, size=(N_TILTS, 2))),
        sigma=0.42,
        factor=None if per_atom else torch.tensor(rng.uniform(0.9, 1.1, N_ATOMS)),
        surface=torch.tensor(rng.normal(scale=0.2, size=(N_TILTS, 5))),
        saturation=2e-3,
        attenuation=0.02,
        widths=torch.tensor([0.0, 0.1, -0.15], dtype=torch.float64),
    ).with_psf(PointSpread.core_and_halo(0.42, 0.2, 2.8))
    model = ImageModel(torch.tensor(rotation_matrices(angles)), SHAPE, PIXEL, layout, dtype=torch.float64)
    return model, state, angles


def random_step(layout: Layout, kind: str | None = None) -> torch.Tensor:
    step = torch.tensor(generator(5, "step").normal(scale=0.01, size=layout.n_parameters))
    if kind is None:
        return step
    parts = layout.split(step)
    return layout.join({name: part if name == kind else 0 * part for name, part in parts.items()})


@pytest.mark.parametrize("reach", [3.0, 7.0], ids=["inside", "across the edge"])
def test_images_equal_dense_gaussians(reach):
    model, state, angles = scene(reach=reach)
    state = replace(state, scale=torch.ones(N_TILTS), shifts=torch.zeros(N_TILTS, 2), background=torch.zeros(N_TILTS))
    state = replace(state, surface=None, saturation=0.0, attenuation=0.0, widths=None)
    intensity = state.atom_intensity(model.layout.group).numpy()
    expected = dense_images(state.positions.numpy(), intensity, angles, SHAPE, PIXEL, state.psf)
    assert np.abs(model.at(state).images.numpy() - expected).max() < 2e-3 * expected.max()


def test_each_atom_adds_its_intensity():
    model, state, _ = scene(reach=2.0)
    state = replace(state, attenuation=0.0)
    total = model.at(state).core.sum((1, 2))
    expected = state.scale * state.atom_intensity(model.layout.group).sum()
    torch.testing.assert_close(total, expected, rtol=2e-4, atol=0)


@pytest.mark.parametrize(("kind", "per_atom"), [*((kind, False) for kind in KINDS), ("intensity", True)])
def test_push_forward_equals_finite_differences(kind, per_atom):
    model, state, _ = scene(per_atom)
    step, h = random_step(model.layout, kind), 1e-4
    ahead, behind = (model.at(model.layout.move(state, sign * h * step)).images for sign in (1, -1))
    analytic = model.at(state).jvp(step)
    torch.testing.assert_close((ahead - behind) / (2 * h), analytic, rtol=0, atol=1e-6 * float(analytic.abs().max()))


@pytest.mark.parametrize("per_atom", [False, True])
def test_pull_back_is_the_transpose(per_atom):
    model, state, _ = scene(per_atom, reach=6.0)
    expansion, step = model.at(state), random_step(model.layout)
    images = torch.tensor(generator(6, "images").normal(size=(N_TILTS, *SHAPE)))
    forward = float((images * expansion.jvp(step)).sum())
    assert forward == pytest.approx(float(expansion.vjp(images) @ step), rel=1e-9)


def test_renderer_gradient_equals_autograd():
    rng = generator(8, "autograd")
    centres = torch.tensor(rng.uniform(4, 26, (2, 5, 2)), requires_grad=True)
    amplitude = torch.tensor(rng.uniform(1, 2, (2, 5)), requires_grad=True)
    sigma = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    images = torch.tensor(rng.normal(size=(2, 30, 28)))
    x, y = torch.arange(30.0, dtype=torch.float64), torch.arange(28.0, dtype=torch.float64)
    along_x = torch.exp(-((x - centres[..., :1]) ** 2) / (2 * sigma**2))
    along_y = torch.exp(-((y - centres[..., 1:]) ** 2) / (2 * sigma**2))
    dense = torch.einsum("tn,tnx,tny->txy", amplitude, along_x, along_y) / (2 * torch.pi * sigma**2)
    (dense * images).sum().backward()
    renderer = Renderer(centres.detach(), 1.3, (30, 28), torch.float64)
    by_centre, by_amplitude, by_width = renderer.vjp(amplitude.detach(), images)
    torch.testing.assert_close(by_centre, centres.grad, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(by_amplitude, amplitude.grad, rtol=1e-3, atol=1e-4)
    assert float(by_width.sum()) / 1.3 == pytest.approx(float(sigma.grad), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("width", [8, 16, 40])
def test_the_tile_width_does_not_matter(width):
    rng = generator(9, "tiles")
    centres = torch.tensor(rng.uniform(-3, 40, (3, 12, 2)))
    amplitude = torch.ones(3, 12, dtype=torch.float64)
    reference = Renderer(centres, 1.5, (37, 33), torch.float64).render(amplitude)
    tiled = Renderer(centres, 1.5, (37, 33), torch.float64, width).render(amplitude)
    torch.testing.assert_close(tiled, reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize("per_atom", [False, True])
def test_information_equals_that_of_the_dense_jacobian(per_atom):
    model, state, _ = scene(per_atom)
    expansion, layout = model.at(state), model.layout
    weights = torch.tensor(generator(10, "weights").uniform(0.5, 1.5, (N_TILTS, *SHAPE)))
    identity = torch.eye(layout.n_parameters, dtype=torch.float64)
    jacobian = torch.stack([expansion.jvp(unit) for unit in identity]).reshape(layout.n_parameters, -1)
    dense = (jacobian * weights.reshape(-1)) @ jacobian.T
    size = 4
    order = [[3 * i, 3 * i + 1, 3 * i + 2, 3 * N_ATOMS + i] for i in range(N_ATOMS)]
    atoms = torch.tensor(order).reshape(-1)
    expected = dense[atoms][:, atoms]
    found = atom_information(expansion, weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3 * float(expected.abs().max()))
    blocks = expansion.information(weights)[:, :size, :size]
    table = expected.reshape(N_ATOMS, size, N_ATOMS, size)
    for i in range(N_ATOMS):
        torch.testing.assert_close(blocks[i], table[i, :, i], rtol=1e-3, atol=1e-3 * float(table[i, :, i].abs().max()))
    shared = [k for k in range(layout.n_parameters) if k not in set(atoms.tolist())]
    slopes = SharedSlopes.of(expansion).information(weights)
    torch.testing.assert_close(slopes, dense[shared][:, shared], rtol=1e-9, atol=1e-9)


def test_preconditioner_is_exact_within_the_gauge():
    """Scales against intensities and kinds against the common width are undetermined: no step may grow along them."""
    model, state, _ = scene()
    expansion, layout = model.at(state), model.layout
    weights = torch.tensor(generator(11, "weights").uniform(0.5, 1.5, (N_TILTS, *SHAPE)))
    nothing = torch.zeros(layout.n_parameters, dtype=torch.float64)
    constraint = Constraint(layout, expansion.rotations, torch.ones_like(nothing))
    preconditioner = Preconditioner(expansion, weights, nothing)
    preconditioner.hold(constraint)
    step = random_step(layout)
    step[: preconditioner.first_shared] = 0
    step = constraint(step)
    solved = constraint(preconditioner.solve(constraint(preconditioner.multiply(step))))
    torch.testing.assert_close(solved, step, rtol=1e-5, atol=1e-7)
