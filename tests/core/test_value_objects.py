"""Value objects refuse what cannot be meant, and cannot be changed behind a user's back."""

import numpy as np
import pytest

from pann.core import AtomicModel, InputError, TiltSeries, Volume
from pann.core.elements import atomic_number


def images(n: int = 3) -> np.ndarray:
    return np.arange(n * 20, dtype=float).reshape(n, 4, 5)


def test_series_reads_one_column_of_angles_as_theta() -> None:
    series = TiltSeries(images(), [-10, 0, 10], pixel_size=0.3)
    np.testing.assert_array_equal(series.angles, [[0, -10, 0], [0, 0, 0], [0, 10, 0]])
    assert series.single_axis
    assert series.image_shape == (4, 5)
    assert series.replace(dose=100.0).total_dose == 300


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"angles": [0, 1]}, "2 angles for 3 images"),
        ({"pixel_size": None}, "pixel_size"),
        ({"pixel_size": -1.0}, "pixel_size"),
        ({"images": np.full((3, 4, 5), np.nan)}, "NaN"),
        ({"images": images() - 5}, "negative counts"),
        ({"images": np.ones((3, 4, 5))}, "every pixel has the value 1"),
        ({"images": np.ones((4, 5))}, "expected"),
        ({"kind": "photons"}, "photons"),
        ({"dose": 0.0}, "dose"),
    ],
)
def test_series_refuses(change: dict, message: str) -> None:
    arguments = {"images": images(), "angles": [0, 1, 2], "pixel_size": 0.3} | change
    with pytest.raises(InputError, match=message):
        TiltSeries(**arguments)


def test_intensities_may_be_negative() -> None:
    assert TiltSeries(images() - 5, [0, 1, 2], 0.3, kind="intensity").images.min() == -5


def test_arrays_are_read_only_copies() -> None:
    source = images()
    series = TiltSeries(source, [0, 1, 2], 0.3)
    source[:] = -1
    assert series.images.min() == 0
    with pytest.raises(ValueError, match="read-only"):
        series.images[0, 0, 0] = 3


def test_volume_puts_zero_on_the_centre_voxel() -> None:
    volume = Volume(np.zeros((4, 5, 6)), voxel_size=0.5)
    np.testing.assert_allclose(volume.positions([2, 2, 3]), 0)
    np.testing.assert_allclose(volume.indices(volume.positions([0.3, 1.7, 4.2])), [0.3, 1.7, 4.2])


def test_model_selects_and_counts() -> None:
    model = AtomicModel(
        np.eye(3), numbers=[78, 28, 78], probabilities=[1, 0.5, 0.2], covariance=np.eye(3)[None] * [[[1]], [[4]], [[9]]]
    )
    assert model.composition() == {"Ni": 1, "Pt": 2}
    np.testing.assert_allclose(model.sigma, [1, 2, 3])
    platinum = model.select(model.numbers == 78)
    assert platinum.species == ["Pt", "Pt"]
    np.testing.assert_allclose(platinum.probabilities, [1, 0.2])


def test_model_refuses_arrays_of_another_length() -> None:
    with pytest.raises(InputError, match="numbers have shape"):
        AtomicModel(np.eye(3), numbers=[78])


def test_an_element_that_does_not_exist_is_named_with_its_neighbours() -> None:
    assert atomic_number("pt") == atomic_number(78) == 78
    with pytest.raises(InputError, match="no element 'Pq'"):
        atomic_number("Pq")
