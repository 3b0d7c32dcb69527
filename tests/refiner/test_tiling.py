import numpy as np
import pytest
import torch

from pann.core import CheckpointError, InputError, Volume
from pann.core.random import generator
from pann.io.weights import Weights, save_weights
from pann.metrics.matching import match
from pann.refiner import Refined, Refiner, refined_threshold, trace_refined
from pann.refiner.canonical import pooled_cube
from pann.refiner.error_bars import ErrorBars
from pann.refiner.refine import VACUUM, image_units, to_canonical
from pann.refiner.target import gaussian_atoms
from pann.refiner.tiling import refine_tiled

MODEL = {"width": 8, "blocks": 1, "global_width": 4, "global_size": 8, "embedding": 8}


@pytest.fixture
def refiner(net):
    return Refiner(net, voxel_size=0.4, sigma=0.5)


@pytest.mark.parametrize("core", [8, 16])
def test_one_tile_and_many_agree_where_the_margin_covers_the_reach(shallow_net, core):
    """Half of the margin is dropped: twice the reach leaves no trace of the cuts."""
    values = generator(4, "volume").random((2, 22, 27, 24)).astype(np.float32)
    pooled, acquisition = pooled_cube(values[0], shallow_net.global_size), np.full(6, 0.5, np.float32)
    margin = 2 * shallow_net.reach
    whole = refine_tiled(shallow_net, values, pooled, acquisition, tile=400, margin=margin)
    tiled = refine_tiled(shallow_net, values, pooled, acquisition, tile=core + 2 * (-(-margin // 8) * 8), margin=margin)
    assert whole.shape == values.shape
    np.testing.assert_allclose(tiled, whole, atol=1e-3 * whole.max())


def test_reach_is_how_far_an_input_matters(net):
    """Outside the reach nothing changes, and it is no wild overestimate."""
    n = 8 * (2 * net.reach // 8 + 3)
    values = generator(5, "volume").random((2, n, 8, 8)).astype(np.float32)
    changed = values.copy()
    changed[:, n // 2] += 1
    pooled, acquisition = pooled_cube(values[0], net.global_size), np.full(6, 0.5, np.float32)
    one, other = (refine_tiled(net, v, pooled, acquisition, tile=1000, margin=0) for v in (values, changed))
    moved = np.flatnonzero(np.abs(one - other).max((0, 2, 3)) > 0)
    assert np.abs(moved - n // 2).max() <= net.reach
    assert np.abs(moved - n // 2).max() >= net.reach / 2


class Copy(torch.nn.Module):
    """Answers with the patch, and with how often it was asked."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.asked = []

    def forward(self, patch, pooled, place, acquisition):
        self.asked.append(tuple(patch.shape[2:]))
        return patch[:, :1]


@pytest.mark.parametrize(("tile", "margin"), [(24, 4), (32, 8), (64, 24), (40, 0), (500, 16)])
def test_blended_tiles_add_up_to_the_whole_and_stay_small(tile, margin):
    values = generator(6, "volume").random((50, 61, 33)).astype(np.float32)
    copy = Copy()
    out = refine_tiled(copy, values[None], pooled_cube(values, 8), np.zeros(6, np.float32), tile=tile, margin=margin)
    np.testing.assert_allclose(out[0], values, rtol=1e-5)
    assert max(max(shape) for shape in copy.asked) <= max(tile, 8 + 2 * 24)


def test_mirrors_that_disagree_lower_the_confidence(refiner, example):
    volume = Volume(np.asarray(example.values, np.float32), 0.4)
    answer = refiner.refine(volume, example.series, flips=8, precision="float32")
    assert refiner.refine(volume, example.series, flips=1).confidence is None
    confidence, density = answer.confidence.values, answer.volume.values / answer.volume.metadata["atom_height"]
    assert confidence.shape == density.shape
    assert 0 <= confidence.min() <= confidence.max() < 1
    assert (confidence <= density**2 / (density**2 + VACUUM**2) + 1e-5).all()  # the spread only takes away


def test_refined_volume_does_not_depend_on_the_count_level(refiner, example):
    """The acquisition is told apart from the scale: twenty times the density gives twenty times the answer."""
    volume = Volume(np.asarray(example.values, np.float32), 0.4)
    one = refiner(volume, example.series, precision="float32")
    many = refiner(volume.replace(values=volume.values * 20), example.series, precision="float32")
    np.testing.assert_allclose(many.values, 20 * one.values, rtol=1e-3, atol=1e-4 * many.values.max())


def test_refined_volume_keeps_frame_and_scale(refiner, example):
    finer = Volume(gaussian_atoms(example.positions, example.heights, (44, 44, 44), 0.3, 0.6), 0.3)
    out = refiner(finer, example.series)
    assert out.voxel_size == 0.4
    assert out.values.min() >= 0
    matched = to_canonical(finer, 0.4)
    assert image_units(out.values, matched) == pytest.approx(1.0, rel=0.02)  # nothing is left to scale


def test_average_over_mirrors_commutes_with_a_mirror(refiner, example):
    """All eight mirrors averaged: mirroring the input mirrors the output."""
    volume = Volume(np.asarray(example.values, np.float32)[6:22, 6:22, 6:22], 0.4)
    options = {"flips": 8, "precision": "float32", "margin": 4}
    straight = refiner(volume, example.series, **options).values
    mirrored = refiner(volume.replace(values=volume.values[::-1, :, ::-1]), example.series, **options).values
    np.testing.assert_allclose(mirrored[::-1, :, ::-1], straight, atol=1e-3 * straight.max())


def test_presence_and_its_threshold_do_not_depend_on_the_units(refiner, example):
    volume = Volume(np.asarray(example.values, np.float32), 0.4)
    one = refiner.refine(volume, example.series, precision="float32")
    many = refiner.refine(volume.replace(values=50 * volume.values), example.series, precision="float32")
    np.testing.assert_allclose(many.presence.values, one.presence.values, atol=1e-3)
    assert refined_threshold(many.presence) == refined_threshold(one.presence)
    with pytest.raises(InputError, match="not a volume that the refiner made"):
        refined_threshold(volume)


def test_atoms_of_the_presence_have_intensities_of_the_density(example):
    """Where an atom is comes from the presence, what it scatters from the density; the strongest come first."""
    shape, positions = example.values.shape, example.positions
    density = gaussian_atoms(positions, 30 * example.heights, shape, 0.4, 0.5)
    presence = gaussian_atoms(positions, [*np.ones(11), 0.2], shape, 0.4, 0.5)
    bars = ErrorBars(np.array([0.5, 1.0]), np.array([[0.4, 0.4, 0.8], [0.1, 0.1, 0.2]]))
    facts = {"atom_threshold": 0.5, "error_bars": bars}
    refined = Refined(Volume(density, 0.4), Volume(presence, 0.4, metadata=facts), None)
    atoms = trace_refined(refined, min_distance=1.8)
    assert len(atoms) == 11
    pairs = match(atoms.positions, positions, 0.2)
    assert len(pairs) == 11
    strength = atoms.intensities[pairs[:, 0]] / example.heights[pairs[:, 1]]
    np.testing.assert_allclose(strength, strength.mean(), rtol=0.05)
    assert (np.diff(atoms.intensities) <= 0).all()
    expected = np.broadcast_to(np.diag([0.1, 0.1, 0.2]) ** 2, (11, 3, 3))
    np.testing.assert_allclose(atoms.covariance, expected, rtol=0.3, atol=1e-9)


def save(path, net, model=MODEL, stage="refiner"):
    save_weights(path, Weights(stage, model, net.state_dict(), {"data": {"recipe": {"voxel_size": 0.4}, "sigma": 0.5}}))
    return path


def test_saved_weights_give_the_same_answer(tmp_path, net, refiner, example):
    volume = Volume(np.asarray(example.values, np.float32), 0.4)
    loaded = Refiner.load(save(tmp_path / "refiner.safetensors", net))
    np.testing.assert_array_equal(loaded(volume, example.series).values, refiner(volume, example.series).values)


def test_wrong_checkpoints_are_refused(tmp_path, net):
    with pytest.raises(CheckpointError, match="does not exist"):
        Refiner.load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="holds a classifier"):
        Refiner.load(save(tmp_path / "stage.safetensors", net, stage="classifier"))
    with pytest.raises(CheckpointError, match="does not fit"):
        Refiner.load(save(tmp_path / "width.safetensors", net, model=MODEL | {"width": 12}))
    with pytest.raises(CheckpointError, match="does not fit"):
        Refiner.load(save(tmp_path / "key.safetensors", net, model=MODEL | {"depth": 3}))
