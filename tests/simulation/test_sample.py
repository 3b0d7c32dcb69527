from typing import Any

import numpy as np
import pytest

from pann.core import ConfigError, InputError
from pann.simulation.config import SimulationConfig
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.sample import draw_acquisition, random_sample


@pytest.fixture
def config(small_values: dict[str, Any]) -> SimulationConfig:
    return SimulationConfig.from_mapping(small_values)


def test_samples_are_named_by_seed_and_index(config: SimulationConfig) -> None:
    first, again = random_sample(config, 7, 3), random_sample(config, 7, 3)
    np.testing.assert_array_equal(first.series.images, again.series.images)
    np.testing.assert_array_equal(first.truth.positions, again.truth.positions)
    for other in (random_sample(config, 7, 4), random_sample(config, 8, 3)):
        assert len(other.truth) != len(first.truth) or not np.allclose(other.truth.positions, first.truth.positions)


def test_samples_keep_what_they_promise(config: SimulationConfig) -> None:
    for index in range(8):
        sample = random_sample(config, 1, index)
        series, expected = sample.series, sample.expected
        assert expected is not None
        assert config.pixel_size[0] <= series.pixel_size <= config.pixel_size[1]
        assert 25 <= series.dose <= 20000
        assert 4 <= series.n_tilts <= 6
        # Counts agree with their expectation, which adds up to the electrons of all atoms and the background.
        total = float(expected.sum(dtype=np.float64))
        assert float(series.images.sum(dtype=np.float64)) == pytest.approx(total, abs=5 * total**0.5)
        background = sample.drawn["background_share"] / (1 + sample.drawn["background_share"])
        electrons = total * (1 - background) / series.n_tilts
        assert electrons == pytest.approx(sample.truth.intensities.sum(), rel=0.25)
        reach = np.linalg.norm(sample.truth.positions, axis=1).max() + config.margin
        assert reach <= series.image_shape[0] / 2 * series.pixel_size
        assert np.abs(sample.drawn["true_angles"] - series.angles).max() < 0.2


def test_a_dose_of_the_series_is_shared_by_its_projections(small_values: dict[str, Any]) -> None:
    config = SimulationConfig.from_mapping(small_values | {"dose": {"per": "series", "levels": [6000]}})
    series = random_sample(config, 0, 0).series
    assert series.total_dose == pytest.approx(6000)


def test_noise_presets_share_the_particle_and_the_tilts(small_values: dict[str, Any]) -> None:
    """Only the noise differs, so that its effect can be seen."""
    clean = SimulationConfig.from_mapping(small_values | {"noise": {"clean": {}}})
    dirty = SimulationConfig.from_mapping(small_values)
    one, other = draw_acquisition(clean, 3, 2), draw_acquisition(dirty, 3, 2)
    np.testing.assert_array_equal(one.model.positions, other.model.positions)
    np.testing.assert_array_equal(one.angles, other.angles)
    assert (one.dose, one.pixel_size, one.microscope) == (other.dose, other.pixel_size, other.microscope)


def test_weights_are_frequencies(small_values: dict[str, Any]) -> None:
    (recipe,) = small_values["structures"].values()
    values = small_values | {
        "structures": {"often": recipe | {"weight": 3}, "seldom": recipe, "never": recipe | {"weight": 0}}
    }
    config = SimulationConfig.from_mapping(values)
    names = [config.choice(0, index).structures for index in range(400)]
    assert names.count("never") == 0
    assert names.count("often") == pytest.approx(300, abs=4 * (400 * 0.75 * 0.25) ** 0.5)


def test_interrupted_scattering_series_go_on(tiny_simulation: dict[str, Any], tmp_path: Any, monkeypatch: Any) -> None:
    """Images that are there are not computed again."""
    config = SimulationConfig.from_mapping(tiny_simulation | {"tier": {"name": "prism"}})
    made = []

    def image(self: Any, model: Any, views: Any, index: int, microscope: Any, *, seed: int) -> np.ndarray:
        made.append(index)
        if len(made) == 4:
            raise KeyboardInterrupt
        return np.full(views.image_shape, 1e-3 * (index + 1), np.float32)

    monkeypatch.setattr(PrismTier, "fraction", image)
    with pytest.raises(KeyboardInterrupt):
        random_sample(config, 0, 0, images=tmp_path)
    sample = random_sample(config, 0, 0, images=tmp_path)
    assert made == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8]
    ratios = sample.expected[:, 0, 0] / sample.expected[0, 0, 0]
    np.testing.assert_allclose(ratios, np.arange(1, 10), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doze": 1}, "there is no 'doze'; did you mean dose"),
        ({"dose": {"range": [100, 10]}}, "lowest <= highest"),
        ({"dose": {"range": [0, 10]}}, "lowest <= highest"),
        ({"dose": {}}, "either range"),
        ({"dose": {"levels": [-1]}}, "positive"),
        ({"dose": {"per": "pixel", "levels": [1]}}, "choose projection or series"),
        ({"structures": {}}, "at least one recipe"),
        ({"structures": {"foam": {"sites": {"kind": "foam"}}}}, "foam"),
        (
            {
                "structures": {
                    "a": {
                        "sites": "glass",
                        "n_atoms": 9,
                        "chemistry": {"kind": "random", "elements": ["Ni"]},
                        "weight": 0,
                    }
                }
            },
            "weights",
        ),
        ({"tilts": {"a": {"kind": "spiral"}}}, "spiral"),
        ({"noise": {"a": {"gitter": {}}}}, "did you mean jitter"),
        ({"tier": {"name": "magic"}}, "magic"),
        ({"order": "sorted"}, "order"),
        ({"pixel_size": "large"}, "pixel_size"),
        ({"microscope": {"set_ups": []}}, "empty"),
        ({"microscope": {"set_ups": [[300, 25, 40, 95]]}}, "eV"),
        ({"microscope": {"set_ups": [[300e3, 25]], "sauce_sigma": 1}}, "did you mean source_sigma"),
    ],
)
def test_bad_options_are_refused(small_values: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, InputError), match=message):
        SimulationConfig.from_mapping(small_values | changes)


def test_missing_options_are_named() -> None:
    with pytest.raises(ConfigError, match="structures, tilts"):
        SimulationConfig.from_mapping({})
