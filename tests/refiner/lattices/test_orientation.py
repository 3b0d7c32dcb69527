import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from pann.core import Volume
from pann.refiner.lattices.bragg import RISE, risen
from pann.refiner.lattices.bravais import KINDS, orientations, reciprocal_nodes
from pann.refiner.lattices.orientation import GRAINS, find_lattices, spots
from pann.refiner.lattices.spectrum import Spectrum
from tests.refiner.lattices.scenes import BOND, SHAPE, TURN, VOXEL, crystal, farthest, noisy, true_nodes

NOISE_ALONE = 9.0
"""No lattice of noise reaches this score."""


def spectrum_of(volume: Volume) -> Spectrum:
    return Spectrum.of(torch.from_numpy(volume.values.astype(np.float32)), VOXEL)


@pytest.mark.parametrize(
    ("kind", "radius", "count"), [("fcc", 2.1, 7), ("bcc", 1.5, 6), ("sc", 1.1, 3), ("hcp", 1.2, 3), ("hcp", 1.31, 10)]
)
def test_nodes_are_those_of_the_textbook(kind, radius, count):
    """{111} and {200}; {110}; {100}; {10.0}; these, {00.2} and {10.1}."""
    assert len(reciprocal_nodes(kind, radius)) == count


@pytest.mark.parametrize("kind", KINDS)
def test_the_symmetry_leaves_the_nodes_where_they_are(kind):
    nodes = reciprocal_nodes(kind, 2.0)
    both = np.concatenate([nodes, -nodes])
    for turn in Rotation.create_group(KINDS[kind].group):
        assert np.linalg.norm(turn.apply(nodes)[:, None] - both, axis=-1).min(axis=1).max() < 1e-6


def test_twins_have_the_reflections_of_fcc_in_several_orientations():
    """{111} at the square root of three and {200} at two: five tetrahedra share five planes, twenty share thirty."""
    for kind, planes in (("decahedron", 5 * 4 - 5 * 1), ("icosahedron", 10 * 4 - 15)):
        sizes = np.linalg.norm(reciprocal_nodes(kind, 1.87), axis=1)
        assert len(sizes) == planes, kind
        np.testing.assert_allclose(sizes, 3**0.5, rtol=0.05)


@pytest.mark.parametrize("group", ["O", "D6", "D5", "I"])
def test_some_orientation_is_always_near(group):
    near = Rotation.from_matrix(orientations(group))
    alike = Rotation.create_group(group)
    for turn in Rotation.random(20, rng=5):
        angles = [(turn.inv() * near * symmetry).magnitude().min() for symmetry in alike]
        assert np.rad2deg(min(angles)) < 5


def test_a_lattice_is_found_where_no_reflection_stands_out():
    spectrum = spectrum_of(noisy(crystal(), 2.2))
    first = find_lattices(spectrum)[0]
    assert first.score > NOISE_ALONE
    assert farthest(true_nodes(), first) < 0.05
    weakest = torch.tensor(true_nodes(), dtype=torch.float32)
    marked = spots(spectrum, weakest) > 0.8
    assert (risen(spectrum)[marked] < RISE).any()


def test_of_two_grains_both_are_found():
    other = Rotation.from_euler("x", 30, degrees=True)
    positions = crystal()
    grains = [positions[positions[:, 0] < 0], other.apply(positions)]
    grains[1] = grains[1][grains[1][:, 0] > 1]
    found = find_lattices(spectrum_of(noisy(np.concatenate(grains), 0.8)))
    assert len(found) == GRAINS
    for turn in (TURN, other * TURN):
        assert min(farthest(true_nodes(turn), lattice) for lattice in found[:2]) < 0.05


def test_noise_and_vacuum_hold_no_lattice():
    noise = noisy(np.zeros((0, 3)), 1.0)
    assert find_lattices(spectrum_of(noise))[0].score < NOISE_ALONE
    vacuum = find_lattices(spectrum_of(Volume(np.zeros(SHAPE, np.float32), VOXEL)))
    assert all(abs(lattice.score) < 1e-3 for lattice in vacuum)


def test_a_mirror_image_has_the_mirrored_lattice():
    volume = noisy(crystal(), 0.5)
    first = find_lattices(spectrum_of(volume))[0].mirrored((0, 2))
    mirrored = Volume(volume.values[::-1, :, ::-1].copy(), VOXEL)
    assert farthest(true_nodes() * [-1, 1, -1], find_lattices(spectrum_of(mirrored))[0]) < 0.05
    assert farthest(true_nodes() * [-1, 1, -1], first) < 0.05


def test_spots_lie_where_the_reflections_are():
    spectrum = spectrum_of(noisy(crystal(), 0.0))
    passed = spots(spectrum, torch.tensor(true_nodes(), dtype=torch.float32))
    assert passed.max() > 0.7
    assert passed.mean() < 0.02
    strong = (spectrum.values * spectrum.usual).abs() ** 2
    near = (spectrum.radius - 3**0.5 / (BOND * 2**0.5)).abs() < 0.03
    assert (strong * passed)[near].sum() > 0.6 * strong[near].sum()
    assert passed[near].mean() < 0.2
