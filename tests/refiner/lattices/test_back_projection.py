import numpy as np
import pytest
import torch

from pann.core.geometry import project_positions, rotation_matrices
from pann.refiner.lattices.back_projection import Box, back_projected
from pann.refiner.lattices.spectrum import Spectrum
from pann.refiner.target import gaussian_atoms

SIZE, VOXEL, PIXEL = (30, 40, 35), 0.4, 0.53
ANGLES = np.array([[0.0, -50.0, 0.0], [3.0, 20.0, 1.0], [0.0, 62.0, -4.0]])
WIDTH = 0.7


def blobs(places, shape, pixel):
    """Images of Gaussians at `places` (n, 2) [Å]."""
    x, y = ((np.arange(n) - n // 2) * pixel for n in shape)
    near = [np.exp(-((x[:, None] - u) ** 2 + (y - v) ** 2) / (2 * WIDTH**2)) for u, v in places]
    return np.sum(near, axis=0)


def test_a_voxel_gets_what_the_images_show_where_it_is_seen():
    atoms = np.array([[1.0, -2.0, 0.7], [-2.5, 3.1, -1.2]])
    images = np.stack([blobs(places, (44, 48), PIXEL) for places in project_positions(atoms, ANGLES)])
    box = Box.of(SIZE, VOXEL)
    both = torch.from_numpy(images * (1 - 2j)).to(torch.complex64)
    found = back_projected(both, ANGLES, PIXEL, box)
    grid = np.stack(np.meshgrid(*[axis.numpy() for axis in box.axes()], indexing="ij"), axis=-1)
    seen = np.einsum("tij,xyzj->txyzi", rotation_matrices(ANGLES)[:, :2], grid)
    expected = np.zeros(box.shape)
    for at, places in zip(seen, project_positions(atoms, ANGLES), strict=True):
        expected += sum(np.exp(-((at - place) ** 2).sum(-1) / (2 * WIDTH**2)) for place in places)
    inner = tuple(slice(n // 5, -n // 4) for n in box.shape)  # beyond it, neighbours in the periodic grid come in
    np.testing.assert_allclose(found.real[inner], expected[inner], atol=0.03)
    np.testing.assert_allclose(found.imag, -2 * found.real, atol=1e-4)


def test_its_components_are_those_of_a_spectrum():
    density = gaussian_atoms([[1.0, 0.5, -2.0], [-1.5, 2.0, 1.0]], np.ones(2), SIZE, VOXEL, WIDTH)
    spectrum = Spectrum.of(torch.from_numpy(density), VOXEL)
    box = Box.of(SIZE, VOXEL)
    taken = box.taken(torch.from_numpy(density), spectrum.shape)
    fewer = np.prod(box.shape) / np.prod(spectrum.shape)
    whole = torch.fft.rfftn(torch.from_numpy(density), spectrum.shape)
    found = box.components(taken)
    mx, my, _ = box.reach
    assert found.shape == spectrum.values.shape
    for k in ((1, 2, 3), (-4, 5, 0), (0, -7, 6)):
        expected = fewer * whole[k[0] % spectrum.shape[0], k[1] % spectrum.shape[1], k[2]]
        torch.testing.assert_close(found[k[0] + mx, k[1] + my, k[2]], expected, rtol=1e-4, atol=1e-4)


def test_the_first_voxel_is_that_of_the_volume():
    box = Box.of(SIZE, VOXEL)
    density = gaussian_atoms([[2.0, -3.0, 1.0]], np.ones(1), SIZE, VOXEL, WIDTH)
    taken = box.taken(torch.from_numpy(density), Spectrum.of(torch.from_numpy(density), VOXEL).shape)
    peak = np.unravel_index(int(taken.argmax()), box.shape)
    place = [float(axis[k]) for axis, k in zip(box.axes(), peak, strict=True)]
    assert place == pytest.approx([2.0, -3.0, 1.0], abs=0.3)


def test_between_voxels_values_are_interpolated():
    box = Box.of(SIZE, VOXEL)
    x, y, z = box.axes()
    values = x[:, None, None] - 2 * y[:, None] + 0.5 * z
    axes = [torch.tensor([0.3, -1.7]), torch.tensor([2.2]), torch.tensor([-0.4, 0.0, 1.1])]
    found = box.at(values, axes)
    expected = axes[0][:, None, None] - 2 * axes[1][:, None] + 0.5 * axes[2]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    beyond = [axis[-1:] + 5 for axis in (x, y, z)]
    torch.testing.assert_close(box.at(values, beyond), values[-1:, -1:, -1:])
