"""Options, presets, random streams, and what is kept as truth."""

from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
import yaml

from pann.core import ConfigError
from pann.simulation.noise import Distortions
from tests.simulation.noise.scene import ANGLES, MODEL, PIXEL, draw, gaussians, with_effects

PRESETS = ("clean", "mild", "experimental", "harsh")
EFFECTS = [entry.name for entry in fields(Distortions)]
SPOT = gaussians(np.array([[0.0, 0.0]]))


@pytest.fixture
def presets(pytestconfig: pytest.Config) -> dict[str, dict[str, Any]]:
    folder = pytestconfig.rootpath / "conf" / "simulation" / "noise"
    return {name: yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in PRESETS}


def test_presets_name_every_effect_and_survive_a_round_trip(presets: dict[str, dict[str, Any]]) -> None:
    for values in presets.values():
        assert list(values) == EFFECTS
        distortions = Distortions.from_mapping(values)
        assert Distortions.from_mapping(asdict(distortions)) == distortions
        assert distortions.poisson.on


def test_clean_is_shot_noise_alone(presets: dict[str, dict[str, Any]]) -> None:
    distortions = Distortions.from_mapping(presets["clean"])
    assert [effect.key for effect in distortions.effects if effect.on] == ["poisson"]
    drawn = draw(distortions)
    np.testing.assert_array_equal(drawn.true_angles[:, 1], ANGLES)
    np.testing.assert_array_equal(drawn.expected(SPOT, 1.0, 1.0), SPOT)
    assert (drawn.displacements, drawn.present, drawn.defocus, drawn.saturation) == (None, None, None, 0.0)


def test_presets_get_worse_in_their_order(presets: dict[str, dict[str, Any]]) -> None:
    rms = []
    for values in presets.values():
        distortions = Distortions.from_mapping(values)
        drawn = [draw(distortions, index=index) for index in range(8)]
        distance = [np.abs(item.distorted(SPOT, PIXEL) - SPOT).sum() / SPOT.sum() for item in drawn]
        rms.append(np.mean(distance))
    assert rms[0] == 0
    assert np.all(np.diff(rms) > 0)


def test_only_a_detector_that_integrates_makes_other_than_counts(presets: dict[str, dict[str, Any]]) -> None:
    kinds = {}
    for name, values in presets.items():
        drawn = draw(Distortions.from_mapping(values))
        kinds[name] = drawn.recorded(drawn.expected(SPOT, 200.0, PIXEL), 0)[1]
    assert kinds == {"clean": "counts", "mild": "counts", "experimental": "counts", "harsh": "intensity"}


@pytest.mark.parametrize("name", [name for name in EFFECTS if name != "poisson"])
def test_effects_have_streams_of_their_own(presets: dict[str, dict[str, Any]], name: str) -> None:
    everything = Distortions.from_mapping({key: values | {"on": True} for key, values in presets["harsh"].items()})
    without = replace(everything, **{name: replace(getattr(everything, name), on=False)})
    full, rest = draw(everything).truth(), draw(without).truth()
    changed = {key for key in full if not np.array_equal(full[key], rest[key])}
    own = {key for key, value in draw(with_effects(**{name: presets["harsh"][name]})).truth().items()
           if not np.array_equal(value, draw(with_effects()).truth()[key])}  # fmt: skip
    assert changed
    assert changed <= own


def test_a_sample_can_be_drawn_again_and_differs_from_others(presets: dict[str, dict[str, Any]]) -> None:
    distortions = Distortions.from_mapping(presets["harsh"])
    first, again, other = draw(distortions), draw(distortions), draw(distortions, index=1)
    for key, value in first.truth().items():
        np.testing.assert_array_equal(value, again.truth()[key])
    np.testing.assert_array_equal(first.expected(SPOT, 1.0, PIXEL), again.expected(SPOT, 1.0, PIXEL))
    assert np.any(first.true_angles != other.true_angles)


def test_truth_is_plain_and_small(presets: dict[str, dict[str, Any]]) -> None:
    drawn = draw(Distortions.from_mapping(presets["harsh"]))
    truth = drawn.truth()
    np.testing.assert_allclose(truth["jitter"], drawn.values["jitter"], atol=1e-3)
    assert set(truth) == set(draw(with_effects()).truth())
    for value in truth.values():
        assert isinstance(value, float) or np.isfinite(value).all()
    assert sum(np.asarray(value).nbytes for value in truth.values()) < 0.25 * SPOT.size * 4


def test_values_keep_to_their_ranges() -> None:
    error = with_effects(tilt_error={"phi": 0.1, "theta": [0.2, 0.3], "psi": 0})
    errors = draw(error, angles=np.zeros(3000)).true_angles
    assert np.abs(errors[:, 0]).max() == pytest.approx(0.1, rel=0.01)
    assert errors[:, 0].std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)
    assert 0.19 < np.abs(errors[:, 1]).max() <= 0.3
    assert not errors[:, 2].any()
    defocus = draw(with_effects(defocus={"offset": [-30, -10], "error": 5})).defocus
    assert defocus is not None
    assert -35 <= defocus.min() <= defocus.max() <= -5
    scale = draw(with_effects(scale={"spread": 0.1}), angles=np.zeros(3000)).scale
    assert scale.std() == pytest.approx(0.1, rel=0.05)
    assert 3 <= draw(with_effects(saturation={"b": [3, 9]})).saturation <= 9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"jiter": {"on": True}}, "did you mean jitter"),
        ({"jitter": {"on": True, "rsm": 0.1}}, "jitter: there is no 'rsm'; did you mean rms"),
        ({"jitter": {"on": True, "rms": [0.3, 0.1], "correlation": 1}}, "jitter.rms"),
        ({"jitter": {"on": True, "rms": [-0.1, 0.1], "correlation": 1}}, "jitter.rms"),
        ({"jitter": {"on": True, "rms": 0.1}}, "correlation not given"),
        ({"jitter": {"rms": 0.1, "correlation": 1}}, "on not given"),
        ({"jitter": {"on": "yes", "rms": 0.1, "correlation": 1}}, "expected true or false"),
        ({"jitter": True}, "expected options by name"),
        ({"magnification": {"on": True, "error": 2}}, "magnification.error"),
        ({"detector": {"on": True, "gain": 0, "read_noise": 0, "offset": 0}}, "detector.gain"),
        ({"carbon": {"on": False, "roughness": [0, 3]}}, "carbon.roughness"),
        ([], "expected effects by name"),
    ],
)
def test_impossible_options_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Distortions.from_mapping(values)


def test_yaml_may_write_on_without_quotes() -> None:
    values = yaml.safe_load("shift: {on: true, rms: 0.1}")
    assert Distortions.from_mapping(values) == with_effects(shift={"rms": 0.1})


def test_images_are_drawn_for_the_model_that_is_imaged() -> None:
    effects = with_effects(particle_rotation={"total": 1.0})
    drawn = effects.draw(0, 0, MODEL.select([0, 1, 2]), ANGLES, (8, 8), PIXEL)
    assert drawn.displacements is not None
    assert drawn.displacements.shape == (len(ANGLES), 3, 3)
