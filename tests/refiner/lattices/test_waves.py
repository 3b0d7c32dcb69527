from math import pi

import torch

from pann.core.random import generator
from pann.refiner.lattices.waves import Places, components_at, gradients_at, sum_of_waves

VOXEL = 0.4


def places_of(values):
    return Places.of(values, [VOXEL * torch.arange(n, dtype=torch.float64) for n in values.shape])


def test_a_transform_at_whole_components_is_the_fast_one():
    values = torch.from_numpy(generator(1, "values").uniform(size=(12, 10, 8)))
    places = places_of(values)
    counts = torch.tensor([[0, 0, 0], [1, 2, 3], [-4, 1, 0], [5, -3, 2]])
    nodes = counts / (torch.tensor(values.shape, dtype=torch.float64) * VOXEL)
    first = torch.stack([axis[0] for axis in places.axes])
    expected = torch.fft.fftn(values)[tuple(counts.T)] * torch.exp(-2j * pi * (nodes @ first))
    torch.testing.assert_close(components_at(values, places, nodes), expected)


def test_its_gradients_are_those_of_finite_differences():
    values = torch.from_numpy(generator(2, "values").uniform(size=(9, 8, 7)))
    places = places_of(values)
    nodes = torch.tensor([[0.2, -0.1, 0.3], [0.05, 0.4, -0.2]], dtype=torch.float64)
    transform, slopes = gradients_at(values, places, nodes)
    torch.testing.assert_close(transform, components_at(values, places, nodes))
    step = 1e-5
    for axis in range(3):
        moved = torch.zeros(3, dtype=torch.float64)
        moved[axis] = step
        both = [components_at(values, places, nodes + sign * moved) for sign in (1, -1)]
        torch.testing.assert_close(slopes[:, axis], (both[0] - both[1]) / (2 * step), rtol=1e-5, atol=1e-5)


def test_a_wave_on_another_grid_is_about_the_same_centre():
    values = torch.from_numpy(generator(3, "values").uniform(size=(9, 8, 7)))
    axes = [0.9 * torch.arange(n, dtype=torch.float64) - 2.0 for n in (5, 6, 4)]
    places = places_of(values).on(axes)
    node = torch.tensor([[0.2, -0.1, 0.3]], dtype=torch.float64)
    wave = sum_of_waves(torch.ones(1, dtype=torch.complex128), places, node)
    centre = torch.tensor(places.centre, dtype=torch.float64)
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    expected = torch.cos(2 * pi * (torch.stack([x, y, z], dim=-1) - centre) @ node[0])
    torch.testing.assert_close(wave.double(), expected, rtol=1e-5, atol=1e-5)
