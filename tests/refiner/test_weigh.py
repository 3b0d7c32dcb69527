import numpy as np
import pytest

from pann.core import TiltSeries
from pann.core.atom_images import image_of_atoms
from pann.core.geometry import project_positions
from pann.core.random import generator
from pann.refiner.weigh import HEIGHTS, weigh

PIXEL, WIDTH, SHAPE = 0.4, 0.42, (50, 48)
ANGLES = np.linspace(-65, 65, 15)


def images_of(positions, light):
    """(n_tilts, nx, ny) expected counts of atoms of `light` electrons in each image, on a floor of 0.05."""
    places = project_positions(positions, ANGLES) / PIXEL
    return (
        np.stack([image_of_atoms(place, SHAPE, WIDTH / PIXEL) @ light for place in places]).reshape(-1, *SHAPE) + 0.05
    )


@pytest.fixture
def crystal():
    """27 atoms on a cubic lattice that is turned, and nine places beside them where there is none."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    turned = 2.7 * (grid - 1.5) @ np.linalg.qr(generator(4, "turn").normal(size=(3, 3)))[0]
    order = np.argsort(grid.max(1) == 3, kind="stable")
    return turned[order][:36]


def series_of(expected, seed=0):
    counts = generator(seed, "counts").poisson(expected) if seed else expected
    return TiltSeries(counts.astype(np.float32), ANGLES, PIXEL, kind="counts")


def test_the_gain_is_the_difference_of_two_log_likelihoods(crystal):
    light = np.where(np.arange(36) < 27, 30.0, 0.0)
    expected = images_of(crystal, light)
    weighed = weigh(series_of(expected), crystal, light > 0, np.ones(36))
    at_one = weighed.evidence([1.0])
    for atom in (0, 13, 30):
        alone = np.where(np.arange(36) == atom, 30.0, 0.0)
        own = images_of(crystal, alone) - 0.05
        with_it, without = (expected, expected - own) if atom < 27 else (expected + own, expected)
        direct = (expected * np.log(with_it / without) - own).sum()
        assert at_one[atom] == pytest.approx(direct, rel=0.1)  # the light of the atoms is fitted
    assert at_one[:27].min() > 0 > at_one[27:].max()


def test_evidence_grows_with_the_dose(crystal):
    light = np.where(np.arange(36) < 27, 10.0, 0.0)
    expected = images_of(crystal, light)
    dim, bright = (
        weigh(series_of(factor * expected), crystal, np.full(36, 0.7), np.ones(36)).evidence([0.8, 1.2])
        for factor in (1, 5)
    )
    np.testing.assert_allclose(bright + np.log(2), 5 * (dim + np.log(2)), rtol=0.2, atol=1.5)  # two heights: ln 2


def test_counts_part_atoms_from_places_without(crystal):
    light = np.where(np.arange(36) < 27, 6.0, 0.0)
    right = np.zeros(36)
    for seed in range(1, 6):
        weighed = weigh(series_of(images_of(crystal, light), seed), crystal, np.full(36, 0.7), np.ones(36))
        right += (weighed.evidence([1.0]) > 0) == (light > 0)
    assert right.sum() / (5 * 36) > 0.95


def test_a_neighbour_that_is_thought_too_bright_hides_no_atom(crystal):
    """A light atom, whose neighbours are heavy, and to the network twice as heavy; their images overlap."""
    atoms = 0.6 * crystal[:27]
    true = np.where(np.arange(27) % 2, 0.3, 1.7)
    series = series_of(images_of(atoms, 400 * true))
    near = np.linalg.norm(atoms - atoms[13], axis=1) < 1.7
    near[13] = False
    assert near.sum() == 6
    thought = np.where(near, 2 * true, true)
    assert weigh(series, atoms, np.full(27, 0.9), thought).evidence([0.3])[13] > 50


def test_the_mean_power_of_the_particle_follows_from_the_images(crystal):
    powers = np.array([1.0, 4.0])
    atoms = crystal[:27]
    light = 8 * powers[np.arange(27) % 2]
    weighed = weigh(series_of(images_of(atoms, light), 7), atoms, np.ones(27), light / light.mean())
    np.testing.assert_allclose(weighed.heights_of(powers), 8 * powers / light.mean(), rtol=0.12)
    assert weighed.heights_of(np.array([2.5])) == pytest.approx(1.0)  # all atoms alike


def test_heights_beyond_the_table_count_as_its_ends(crystal):
    weighed = weigh(series_of(images_of(crystal, np.full(36, 5.0))), crystal, np.ones(36), np.ones(36))
    np.testing.assert_array_equal(weighed.evidence([1e-6]), weighed.gains[:, 0])
    np.testing.assert_allclose(weighed.evidence([HEIGHTS[-1] * 9]), weighed.gains[:, -1])
