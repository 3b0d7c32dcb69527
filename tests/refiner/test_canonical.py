import numpy as np
import pytest

from pann.core import InputError, TiltSeries, Volume
from pann.core.random import generator
from pann.refiner.acquisition import acquisition_vector, counts_per_area
from pann.refiner.canonical import bulk_level, pooled_cube, resampled, to_canonical
from pann.refiner.target import gaussian_atoms, relative_heights


def centre_of_mass(volume):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in volume.shape], indexing="ij"), -1).reshape(-1, 3)
    weights = volume.values.ravel().astype(float)
    return (volume.positions(grid) * weights[:, None]).sum(0) / weights.sum()


@pytest.mark.parametrize("voxel_size", [0.25, 0.4, 0.55])
@pytest.mark.parametrize("shape", [(30, 31, 32), (41, 30, 33)])
def test_resampling_keeps_positions_and_line_integrals(voxel_size, shape):
    position = np.array([[1.0, -0.7, 0.4]])
    volume = Volume(gaussian_atoms(position, [1.0], shape, 0.35, 0.8), 0.35)
    out = resampled(volume, voxel_size)
    assert out.voxel_size == voxel_size
    np.testing.assert_allclose(centre_of_mass(out), position[0], atol=0.01)
    area = (voxel_size / volume.voxel_size) ** 2  # pixels per column differ, values per pixel do not
    assert out.values.sum() * area == pytest.approx(volume.values.sum(), rel=0.02)


def test_normalised_volume_does_not_depend_on_the_count_level(example):
    volume = Volume(np.asarray(example.values, np.float32), 0.5)
    one, many = to_canonical(volume, 0.4), to_canonical(volume.replace(values=volume.values * 370), 0.4)
    np.testing.assert_allclose(many.values, one.values, rtol=1e-4, atol=1e-5)
    assert many.scale == pytest.approx(370 * one.scale)


def test_bulk_level_of_a_large_homogeneous_ball_is_near_its_density():
    axis = np.arange(60) - 30
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < 24**2) * 3.0
    assert bulk_level(Volume(ball, 1.0)) == pytest.approx(3.0, rel=0.15)


def test_empty_volume_is_refused():
    with pytest.raises(InputError, match="no density"):
        bulk_level(Volume(np.zeros((8, 8, 8)), 0.4))


def test_pooled_cube_keeps_the_mass_and_knows_its_place():
    values = generator(1, "values").random((13, 20, 9)).astype(np.float32)
    cube = pooled_cube(values, 6)
    assert cube.factor == 4
    assert cube.values.sum() * cube.factor**3 == pytest.approx(values.sum(), rel=1e-5)
    start, stop = np.zeros(3, int), np.array(values.shape)
    edges = cube.place(start, stop)
    np.testing.assert_allclose(edges[:, 1] - edges[:, 0], 2 * stop / 24)
    assert (edges[:, 0] >= -1).all()
    assert (edges[:, 1] <= 1).all()


def test_target_is_the_sum_of_its_atoms_and_separates_neighbours():
    shape, sigma, voxel = (40, 36, 38), 0.5, 0.4
    positions, heights = np.array([[0.1, 0.2, -0.3], [2.4, 0.2, -0.3]]), relative_heights([1.0, 3.0])
    target = gaussian_atoms(positions, heights, shape, voxel, sigma)
    assert heights.mean() == 1
    mass = heights.sum() * (2 * np.pi) ** 1.5 * (sigma / voxel) ** 3
    assert target.sum() == pytest.approx(mass, rel=1e-3)
    line = target[18:32, 18, 18]
    assert line.min() < 0.2 * heights.min()


def test_counts_per_area_is_the_rate_where_the_object_is():
    rng = generator(2, "counts")
    rate = np.zeros((5, 60, 60))
    rate[:, 20:40, 20:40] = 0.7
    series = TiltSeries(rng.poisson(rate), np.linspace(-50, 50, 5), 0.5)
    assert counts_per_area(series) == pytest.approx(0.7 / 0.25, rel=0.1)


def test_intensities_have_the_rate_of_equal_signal_to_noise():
    rng = generator(2, "intensities")
    rate = np.full((4, 80, 80), 50.0)
    images = 3.0 * rng.poisson(rate)
    counts = TiltSeries(images / 3.0, np.arange(4), 1.0)
    processed = TiltSeries(images, np.arange(4), 1.0, kind="intensity")
    assert counts_per_area(processed) == pytest.approx(counts_per_area(counts), rel=0.15)


def test_acquisition_vector_is_finite_at_the_extremes():
    images = np.eye(12)[None].repeat(2, 0) * 1e6
    for angles in ([0.0, 0.0], [-90.0, 90.0]):
        vector = acquisition_vector(TiltSeries(images, angles, 5.0), 40.0)
        assert vector.shape == (6,)
        assert np.isfinite(vector).all()
        assert np.abs(vector).max() < 5
