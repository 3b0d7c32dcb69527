import numpy as np
import pytest
import torch

from pann.core import TiltSeries
from pann.core.random import generator
from pann.refiner.example import Example, Prepared
from pann.refiner.lattices.bragg import bragg_filtered
from pann.refiner.net import GlobalLocalResUNet
from pann.refiner.target import gaussian_atoms
from pann.tomography import make_projector

SIGMA = 0.5
VOXEL = 0.4
GLOBAL_SIZE = 8


@pytest.fixture
def positions():
    """A dozen well separated atoms, off every symmetry."""
    rng = generator(3, "positions")
    grid = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3)[:12]
    return 2.6 * grid + rng.uniform(-0.3, 0.3, size=(12, 3)) + [0.3, -0.2, 0.4]


@pytest.fixture
def example(positions):
    """Atoms projected onto noiseless images of the voxel size; the input is the density itself, a little blurred."""
    shape = (28, 32, 30)
    heights = np.linspace(0.7, 1.3, len(positions))
    density = gaussian_atoms(positions, heights, shape, VOXEL, SIGMA)
    angles = np.linspace(-60, 60, 9)
    projector = make_projector(angles, shape, shape[:2], pixel_size=VOXEL)
    images = 200 * projector.forward(torch.from_numpy(density)).numpy() + 20
    series = TiltSeries(np.round(images), angles, VOXEL, dose=100.0)
    values = gaussian_atoms(positions, 2 * heights, shape, VOXEL, 0.6)
    return Example(
        name="atoms",
        values=values.astype(np.float16),
        lattice=bragg_filtered(torch.from_numpy(values), VOXEL).numpy().astype(np.float16),
        scale=1.0,
        voxel_size=VOXEL,
        positions=positions,
        heights=heights,
        images=series.images.astype(np.uint16),
        angles=series.angles,
        pixel_size=VOXEL,
        dose=100.0,
        method="poisson",
        iterations=10,
    )


@pytest.fixture
def prepared(example):
    return Prepared.of(example, SIGMA, GLOBAL_SIZE)


def network(**arguments):
    """A network whose every part matters: parameters that start at zero are drawn too."""
    torch.manual_seed(5)
    net = GlobalLocalResUNet(width=8, blocks=1, global_width=4, global_size=GLOBAL_SIZE, embedding=8, **arguments)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any() or parameter.dim() == 0:
                parameter.normal_(0, 0.3)
    return net.eval()


@pytest.fixture
def net():
    return network()


@pytest.fixture
def shallow_net():
    """One whose reach is short, so that margins that cover it cost little."""
    return network(levels=1)
