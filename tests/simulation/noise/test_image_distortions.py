"""Distortions in the plane of the image move things by what was drawn, and keep the intensity."""

from math import exp

import numpy as np
import pytest

from pann.core import InputError
from pann.core.geometry import pixel_coordinates
from tests.simulation.noise.scene import ANGLES, MODEL, PIXEL, SHAPE, SIGMA, centroids, draw, gaussians, with_effects

ATOM = np.array([[1.3, -2.1]])
PAIR = np.array([[-4.0, 1.0], [4.0, 2.0]])


def test_without_effects_fractions_pass_bit_by_bit() -> None:
    fractions = gaussians(PAIR).astype(np.float32)
    drawn = draw(with_effects())
    np.testing.assert_array_equal(drawn.distorted(fractions, PIXEL), fractions)
    np.testing.assert_array_equal(drawn.expected(fractions, 1.0, 1.0), fractions)
    assert drawn.expected(fractions, 100.0, PIXEL).dtype == np.float32


def test_a_shift_moves_the_centroid_by_it_and_keeps_the_intensity() -> None:
    fractions = gaussians(ATOM)
    drawn = draw(with_effects(shift={"rms": 0.5}))
    moved = drawn.distorted(fractions, PIXEL)
    np.testing.assert_allclose(centroids(moved), ATOM + drawn.truth()["shift"], atol=2e-3)
    np.testing.assert_allclose(moved.sum(axis=(1, 2)), fractions.sum(axis=(1, 2)), rtol=1e-4)
    assert np.abs(drawn.truth()["shift"]).max() > 0.3


def test_the_shape_of_an_atom_survives_the_interpolation() -> None:
    drawn = draw(with_effects(shift={"rms": 0.5}))
    moved = drawn.distorted(gaussians(ATOM), PIXEL)
    exact = np.concatenate([gaussians(ATOM + shift, 1) for shift in drawn.truth()["shift"]])
    assert np.abs(moved - exact).sum() / exact.sum() < 0.003


def test_magnification_scales_distances_and_the_total() -> None:
    drawn = draw(with_effects(magnification={"error": 0.02}))
    factor = drawn.truth()["magnification"]
    halves = [drawn.distorted(gaussians(atom[None]), PIXEL) for atom in PAIR]
    vector = centroids(halves[1]) - centroids(halves[0])
    np.testing.assert_allclose(vector, factor[:, None] * (PAIR[1] - PAIR[0]), atol=5e-3)
    np.testing.assert_allclose(halves[0].sum(axis=(1, 2)) / gaussians(PAIR[:1]).sum(axis=(1, 2)), factor**2, rtol=1e-3)
    assert np.ptp(factor) > 0.01


def test_rotation_turns_x_towards_y() -> None:
    drawn = draw(with_effects(rotation={"axis": 3.0, "error": 1.0}))
    angle = np.deg2rad(drawn.truth()["rotation"])
    turned = centroids(drawn.distorted(gaussians(np.array([[5.0, 0.0]])), PIXEL))
    np.testing.assert_allclose(turned, 5 * np.stack([np.cos(angle), np.sin(angle)], axis=1), atol=3e-3)
    assert np.ptp(angle) <= np.deg2rad(2.0)


def test_jitter_has_its_rms_and_correlation() -> None:
    wide = (4, 4000)
    drawn = with_effects(jitter={"rms": 0.2, "correlation": 3}).draw(1, 0, MODEL, ANGLES, wide, PIXEL)
    jitter = drawn.values["jitter"]
    assert jitter.shape == (len(ANGLES), 4000, 2)
    np.testing.assert_allclose(jitter.std(axis=(0, 1)), 0.2, rtol=0.03)
    assert np.mean(jitter[:, 1:] * jitter[:, :-1]) / 0.2**2 == pytest.approx(exp(-1 / 3), abs=0.03)
    assert jitter[:, 0].std() == pytest.approx(0.2, rel=0.4)


def test_jitter_moves_whole_lines_against_the_beam() -> None:
    fractions = gaussians(ATOM)
    drawn = draw(with_effects(jitter={"rms": 0.2, "correlation": 0}))
    jitter = drawn.values["jitter"].copy()
    drawn.values["jitter"][:, :, 1] = 0  # along the lines alone, so that each line keeps its own content
    lines = drawn.distorted(fractions, PIXEL)
    row = SHAPE[1] // 2 + round(ATOM[0, 1] / PIXEL)
    place = centroids(np.ascontiguousarray(lines[:, :, row : row + 1]))[:, 0]
    np.testing.assert_allclose(place, ATOM[0, 0] - jitter[:, row, 0], atol=3e-3)


def test_drift_is_centred_and_moves_the_particle_with_it() -> None:
    drawn = draw(with_effects(drift={"linear": 2.0, "walk": 0.0}))
    drift = drawn.values["drift"]
    np.testing.assert_allclose(drift.mean(axis=1), 0, atol=1e-6)
    length = np.linalg.norm(drift[:, -1] - drift[:, 0], axis=1)
    assert length.mean() == pytest.approx(2.0, rel=0.4)
    place = centroids(drawn.distorted(gaussians(np.array([[0.0, 6.0]])), PIXEL))
    lines = pixel_coordinates(SHAPE[1], PIXEL)
    seen = [np.interp(6.0, lines - d[:, 1], d[:, 0]) for d in drift]
    np.testing.assert_allclose(place[:, 0], seen, atol=3e-3)


def test_a_random_walk_spreads_as_configured() -> None:
    drawn = with_effects(drift={"linear": 0.0, "walk": 0.5}).draw(1, 0, MODEL, np.zeros(400), (2, 50), PIXEL)
    drift = drawn.values["drift"]
    assert (drift[:, -1] - drift[:, 0]).std() == pytest.approx(0.5 * np.sqrt(49 / 50), rel=0.1)


def test_flyback_stretches_the_beginning_of_lines() -> None:
    x = pixel_coordinates(SHAPE[0], PIXEL)
    near = np.array([[x[0] + 2.0, 0.0]])
    moved = draw(with_effects(flyback={"amplitude": 0.5, "share": 0.05})).distorted(gaussians(near), PIXEL)
    beam = x + 0.5 * np.exp(-np.arange(SHAPE[0]) / (0.05 * SHAPE[0]))
    exact = 0.02 * np.exp(-((beam - near[0, 0]) ** 2) / (2 * SIGMA**2))
    np.testing.assert_allclose(moved[0, :, SHAPE[1] // 2], exact, atol=0.01 * exact.max())
    np.testing.assert_allclose(np.diff(beam)[-20:], PIXEL, rtol=1e-3)


def test_many_distortions_are_one_interpolation() -> None:
    small = with_effects(
        shift={"rms": 0.2}, rotation={"axis": 0.5, "error": 0.2}, magnification={"error": 0.005},
        drift={"linear": 0.05, "walk": 0.0}, flyback={"amplitude": 0.3, "share": 0.03},
    )  # fmt: skip
    moved = draw(small).distorted(gaussians(ATOM), PIXEL)
    x = pixel_coordinates(SHAPE[0], PIXEL)
    middle = centroids(moved)
    width = np.sqrt((moved.sum(axis=2) * (x - middle[:, :1]) ** 2).sum(axis=1) / moved.sum(axis=(1, 2)))
    np.testing.assert_allclose(width, SIGMA, rtol=0.01)
    assert moved.min() >= 0


def test_images_of_another_shape_or_with_negative_values_are_refused() -> None:
    drawn = draw(with_effects(shift={"rms": 0.5}))
    with pytest.raises(InputError, match="drawn for"):
        drawn.distorted(np.zeros((13, 8, 8)), PIXEL)
    with pytest.raises(InputError, match=">= 0"):
        drawn.distorted(-gaussians(ATOM), PIXEL)
    with pytest.raises(InputError, match="at least one atom"):
        with_effects().draw(0, 0, MODEL.select([]), ANGLES, SHAPE, PIXEL)
