from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pann.core import ConfigError, InputError
from pann.core.geometry import is_single_axis, rotation_matrices
from pann.core.random import generator
from pann.simulation.tilts import check_tilts, evenly_spaced, tilt_scheme

SINGLE = {"kind": "single", "limit": 65, "step": 5}


def theta(recipe: dict[str, Any], seed: int = 0) -> np.ndarray:
    angles = tilt_scheme(recipe, generator(seed, "tilts"))
    assert is_single_axis(angles)
    return angles[:, 1]


def test_steps_are_counted_from_zero() -> None:
    np.testing.assert_allclose(theta(SINGLE), np.arange(-65, 66, 5))
    np.testing.assert_allclose(theta(SINGLE | {"step": 7}), np.arange(-63, 64, 7))
    np.testing.assert_allclose(theta({"kind": "single", "limit": 60, "n_tilts": 21}), np.linspace(-60, 60, 21))


def test_a_full_range_has_no_two_equal_projections() -> None:
    np.testing.assert_allclose(theta({"kind": "full", "step": 5}), np.arange(-90, 90, 5))
    np.testing.assert_allclose(theta({"kind": "full", "n_tilts": 36}), np.arange(-90, 90, 5))
    np.testing.assert_allclose(theta({"kind": "full", "step": 7}), np.arange(-84, 85, 7))
    assert evenly_spaced(90, 36)[-1, 1] == 85


def test_ranges_are_drawn_within_their_limits() -> None:
    recipe = {"kind": "single", "limit": [50, 75], "n_tilts": [15, 60], "full_range": 0.1}
    series = [theta(recipe, seed) for seed in range(400)]
    limits = np.array([angles[0] for angles in series])
    full = limits == -90
    assert 0.05 < full.mean() < 0.16
    assert -75 <= limits[~full].min() < -73
    assert -52 < limits[~full].max() <= -50
    counts = {len(angles) for angles in series}
    assert (min(counts), max(counts)) == (15, 60)
    np.testing.assert_array_equal(theta(recipe, 7), theta(recipe, 7))


def test_irregular_steps_stay_near_even_ones() -> None:
    even, irregular = theta(SINGLE), theta(SINGLE | {"jitter": 1.0})
    deviation = np.abs(irregular - even)
    assert 0.5 < deviation.max() <= 1.0
    assert np.all(np.diff(irregular) > 0)


def test_the_second_axis_lies_across_the_first() -> None:
    angles = tilt_scheme({"kind": "dual", "limit": 60, "step": 20}, generator(0, "x"))
    assert angles.shape == (14, 3)
    np.testing.assert_array_equal(angles[:7, 1], angles[7:, 1])
    # The beam, as the sample sees it, stays in the plane across the tilt axis: x-z, then y-z.
    beams = rotation_matrices(angles)[:, 2]
    assert np.abs(beams[:7, 1]).max() < 1e-12
    assert np.abs(beams[7:, 0]).max() < 1e-12
    assert np.abs(beams[7:, 1]).max() == pytest.approx(np.sin(np.deg2rad(60)))


def test_golden_angles_cover_the_range_at_any_time() -> None:
    angles = theta({"kind": "golden", "limit": 70, "n_tilts": 55})
    assert np.abs(angles).max() <= 70
    for n in (13, 21, 34, 55):
        gaps = np.diff(np.sort(angles[:n]))
        assert gaps.max() < 2.7 * 140 / n


def test_lists_and_files_come_as_they_are(tmp_path: Path) -> None:
    np.testing.assert_array_equal(theta({"kind": "list", "angles": [0, 3, -4.5]}), [0, 3, -4.5])
    euler = [[90, 10, 0], [0, 20, 1]]
    np.testing.assert_array_equal(tilt_scheme({"kind": "list", "angles": euler}, generator(0, "x")), euler)
    path = tmp_path / "series.tlt"
    path.write_text("-10.5\n0\n12\n")
    np.testing.assert_array_equal(theta({"kind": "file", "path": str(path)}), [-10.5, 0, 12])
    np.testing.assert_array_equal(theta({"kind": "file", "path": str(path), "angle_sign": -1}), [10.5, 0, -12])


def test_shipped_schemes_are_what_their_names_say(pytestconfig: pytest.Config) -> None:
    files = sorted((pytestconfig.rootpath / "conf" / "simulation" / "tilts").glob("*.yaml"))
    recipes = {file.stem: yaml.safe_load(file.read_text()) for file in files}
    lengths = {name: len(tilt_scheme(recipe, generator(0, name))) for name, recipe in recipes.items()}
    known = {"single_65_5": 27, "single_70_2": 71, "sparse": 21, "full": 36, "dual": 54, "golden": 55}
    assert known.items() <= lengths.items()
    assert {"wide", "irregular"} <= set(lengths)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"limit": 65, "step": 5}, "expected a recipe with a kind"),
        ({"kind": "singel", "limit": 65, "step": 5}, "did you mean single"),
        (SINGLE | {"limt": 5}, "did you mean limit"),
        ({"kind": "single", "step": 5}, "limit not given"),
        ({"kind": "single", "limit": 65}, "either step"),
        (SINGLE | {"n_tilts": 5}, "either step"),
        (SINGLE | {"limit": 100}, "tilts.limit"),
        (SINGLE | {"limit": [70, 60]}, "tilts.limit"),
        (SINGLE | {"step": 70}, "tilts.step"),
        ({"kind": "single", "limit": 65, "n_tilts": 1}, "tilts.n_tilts"),
        ({"kind": "single", "limit": 65, "n_tilts": 3.5}, "whole numbers"),
        (SINGLE | {"full_range": 2}, "full_range"),
        ({"kind": "list", "angles": ["a", "b"]}, "expected numbers"),
        ({"kind": "list", "angles": [3]}, "at least two"),
        ({"kind": "list", "angles": [[1, 2], [3, 4]]}, "expected .n,."),
        ({"kind": "file", "path": "x.tlt", "angle_sign": 2}, "angle_sign"),
    ],
)
def test_impossible_recipes_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_tilts(recipe)


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.tlt"):
        check_tilts({"kind": "file", "path": "nowhere.tlt"})
    with pytest.raises(InputError, match="at least 2"):
        evenly_spaced(60, 1)
