from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pann.core import ConfigError
from pann.io import read_atoms, read_tilt_series
from pann.simulation import SampleConfig, random_sample, write_samples


def test_samples_are_named_by_seed_and_index(small_config: SampleConfig) -> None:
    first, again = random_sample(small_config, 7, 3), random_sample(small_config, 7, 3)
    np.testing.assert_array_equal(first.series.images, again.series.images)
    np.testing.assert_array_equal(first.truth.positions, again.truth.positions)
    for other in (random_sample(small_config, 7, 4), random_sample(small_config, 8, 3)):
        assert len(other.truth) != len(first.truth) or not np.allclose(other.truth.positions, first.truth.positions)


def test_samples_keep_what_they_promise(small_config: SampleConfig) -> None:
    for index in range(8):
        sample = random_sample(small_config, 1, index)
        series, config = sample.series, small_config
        assert config.pixel_size[0] <= series.pixel_size <= config.pixel_size[1]
        assert config.dose[0] <= series.dose <= config.dose[1]
        assert config.n_tilts[0] <= series.n_tilts <= config.n_tilts[1]
        assert np.abs(sample.true_angles - series.angles).max() <= config.tilt_error
        # Counts agree with their expectation, which adds up to the electrons of all atoms.
        total = float(sample.expected.sum(dtype=np.float64))
        assert float(series.images.sum(dtype=np.float64)) == pytest.approx(total, abs=5 * total**0.5)
        background = sample.background.sum() * series.images[0].size
        electrons = (total - background) / series.n_tilts
        assert electrons == pytest.approx(sample.truth.intensities.sum(), rel=0.25)
        reach = np.linalg.norm(sample.truth.positions, axis=1).max() + config.margin
        assert reach <= series.image_shape[0] / 2 * series.pixel_size


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doze": 1}, "doze is no option; did you mean dose"),
        ({"dose": [100, 10]}, "lowest <= highest"),
        ({"families": {"foam": 1}}, "families"),
        ({"max_elements": 9}, "max_elements"),
        ({"dose": [0, 10]}, "dose must be positive"),
    ],
)
def test_bad_options_are_refused(small_config: SampleConfig, changes: dict[str, object], message: str) -> None:
    values = {name: getattr(small_config, name) for name in small_config.__dataclass_fields__}
    with pytest.raises(ConfigError, match=message):
        SampleConfig.from_mapping(values | changes)


def test_missing_options_are_named() -> None:
    with pytest.raises(ConfigError, match="elements"):
        SampleConfig.from_mapping({"families": {"glass": 1}})


def test_unknown_tiers_are_refused(small_config: SampleConfig) -> None:
    with pytest.raises(ConfigError, match="tier"):
        random_sample(small_config, 0, 0, tier="magic")


def test_samples_on_disk_are_resumed_and_not_mixed(small_config: SampleConfig, tmp_path: Path) -> None:
    paths = write_samples(small_config, tmp_path, 2, seed=5)
    sample = random_sample(small_config, 5, 1)
    np.testing.assert_array_equal(read_tilt_series(paths[1]).images, sample.series.images)
    np.testing.assert_allclose(
        read_atoms(tmp_path / "sample_000001_truth.xyz").positions, sample.truth.positions, atol=1e-5
    )
    stamp = paths[0].stat().st_mtime_ns
    assert len(write_samples(small_config, tmp_path, 3, seed=5)) == 3
    assert paths[0].stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match="other settings"):
        write_samples(replace(small_config, strain=0.0), tmp_path, 3, seed=5)


def test_a_given_structure_is_imaged_about_its_centre(small_config: SampleConfig, tmp_path: Path) -> None:
    truth = random_sample(small_config, 0, 0).truth
    far = truth.replace(positions=truth.positions + 50.0)
    write_samples(small_config, tmp_path, 1, truth=far)
    written = read_atoms(tmp_path / "sample_000000_truth.xyz")
    np.testing.assert_allclose(written.positions.mean(axis=0), 0, atol=1e-5)
    assert written.composition() == truth.composition()
