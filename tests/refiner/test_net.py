import numpy as np
import pytest
import torch

from pann.refiner.acquisition import N_ACQUISITION
from pann.refiner.lattices.orientation import GRAINS
from pann.refiner.net import GlobalLocalResUNet, sample_at_place
from tests.refiner.conftest import network


def inputs(net, shape, batch=1):
    g = net.global_size
    place = torch.tensor([[-0.5, 0.5]] * 3).expand(batch, 3, 2)
    return torch.rand(batch, 2, *shape), torch.rand(batch, 1, g, g, g), place, torch.rand(batch, N_ACQUISITION)


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 24, 8), (32, 8, 16)])
@pytest.mark.parametrize(("width", "blocks", "global_size"), [(4, 1, 4), (8, 2, 8)])
def test_output_has_the_shape_of_the_patch_and_is_not_negative(width, blocks, global_size, shape):
    net = GlobalLocalResUNet(width, blocks, 4, global_size, 8)
    out = net(*inputs(net, shape, batch=2))
    assert out.shape == (2, 2, *shape)
    assert (out >= 0).all()


def test_gradients_reach_every_parameter(net):
    net(*inputs(net, (16, 16, 16))).square().sum().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_place_and_acquisition_and_the_whole_volume_matter(net):
    patch, pooled, place, acquisition = inputs(net, (8, 8, 8))
    with torch.no_grad():
        reference = net(patch, pooled, place, acquisition)
        for other in (
            (patch, pooled + torch.rand_like(pooled), place, acquisition),
            (patch, pooled, place - 0.4, acquisition),
            (patch, pooled, place, acquisition + 1),
        ):
            assert not torch.equal(net(*other), reference)


def test_batch_members_do_not_see_each_other(net):
    both = inputs(net, (8, 12, 8), batch=2)
    with torch.no_grad():
        together = net(*both)
        alone = net(*(tensor[1:] for tensor in both))
    np.testing.assert_allclose(together[1:].numpy(), alone.numpy(), atol=1e-5)


def test_global_features_are_sampled_at_their_place():
    """A field linear in x, y, z is reproduced at the voxel centres of the box."""
    g = 6
    centres = (torch.arange(g) + 0.5) / g * 2 - 1
    x, y, z = torch.meshgrid(centres, centres, centres, indexing="ij")
    place = torch.tensor([[[-0.6, 0.2], [-0.5, 0.5], [0.0, 0.4]]])
    out = sample_at_place(torch.stack([x, y, z])[None], place, torch.Size((4, 5, 2)))
    assert out.shape == (1, 3, 4, 5, 2)
    np.testing.assert_allclose(out[0, 0, :, 0, 0], [-0.5, -0.3, -0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(out[0, 1, 0, :, 0], [-0.4, -0.2, 0.0, 0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(out[0, 2, 0, 0, :], [0.1, 0.3], atol=1e-6)


@pytest.mark.parametrize("name", ["cell_averages", "lattice_sites"])
def test_no_more_lattices_are_read_than_are_looked_for(name):
    with pytest.raises(ValueError, match=f"{name} is {GRAINS + 1}: expected 0 to {GRAINS}"):
        network(**{name: GRAINS + 1})
