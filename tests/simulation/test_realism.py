from pathlib import Path

import numpy as np
import pytest

from pann.core import InputError
from pann.io import write_tilt_series
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.views import Views
from pann.simulation.realism import NoiseFreeSeries

FOLDER = Path(__file__).resolve().parents[2] / "data" / "test_series"
SERIES = sorted(FOLDER.glob("*.h5"))


def test_the_set_is_whole() -> None:
    assert len(SERIES) >= 9
    sizes = [len(NoiseFreeSeries.read(path).truth) for path in SERIES]
    assert max(sizes) > 1000
    assert sum(100 <= size <= 400 for size in sizes) >= 8
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8e6


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_the_images_show_the_true_atoms(path: Path) -> None:
    """Sums of isolated atoms, nothing fitted, resemble what scattering gave: frame, scale and elements are right."""
    given = NoiseFreeSeries.read(path)
    views = Views(given.fractions.angles, given.fractions.image_shape, given.fractions.pixel_size)
    linear = LinearTier(thermal_sigma=0.07).fractions(given.truth, views, given.microscope)
    images = given.fractions.images
    for ours, theirs in zip(linear, images, strict=True):
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95
    # abTEM's potential is not resolved at this sampling: totals are 3 to 16 % low (see the README of the set)
    assert 0.8 < images.sum() / linear.sum() < 1.05


def test_counts_are_poisson_at_any_dose() -> None:
    given = NoiseFreeSeries.read(SERIES[0])
    series, again, other = given.counts(200, seed=1), given.counts(200, seed=1), given.counts(200, seed=2)
    np.testing.assert_array_equal(series.images, again.images)
    assert not np.array_equal(series.images, other.images)
    expected = given.fractions.images.astype(float) * 200 * series.pixel_size**2
    total = expected.sum()
    assert series.images.sum(dtype=float) == pytest.approx(total, abs=4 * total**0.5)
    assert ((series.images - expected) ** 2).sum() == pytest.approx(total, rel=0.05)


def test_other_series_are_refused(tmp_path: Path) -> None:
    write_tilt_series(tmp_path / "counts.h5", NoiseFreeSeries.read(SERIES[0]).counts(100, 0))
    with pytest.raises(InputError, match="no noise-free series"):
        NoiseFreeSeries.read(tmp_path / "counts.h5")
