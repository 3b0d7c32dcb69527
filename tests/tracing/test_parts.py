"""The steps of the tracing, each against a plain definition."""

import numpy as np
import pytest

from pann.core.random import generator
from pann.tracing.maxima import keep_apart, local_maxima
from pann.tracing.subvoxel import refine_peaks
from pann.tracing.threshold import PeakHeights, automatic_threshold


def test_a_plateau_counts_once_and_a_shoulder_not_at_all() -> None:
    values = np.zeros((9, 9, 9), np.float32)
    values[2:5, 3, 3] = 1.0
    values[6, 6, 5:8] = 2.0
    values[6, 6, 4] = 3.0
    np.testing.assert_array_equal(local_maxima(values), [[3, 3, 3], [6, 6, 4]])


def test_maxima_at_the_border_are_left_out() -> None:
    values = np.zeros((7, 7, 7), np.float32)
    values[0, 3, 3] = values[3, 3, 3] = 1.0
    assert len(local_maxima(values, border=0)) == 2
    np.testing.assert_array_equal(local_maxima(values, border=1), [[3, 3, 3]])


def test_keep_apart_equals_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pann.tracing.maxima._BLOCK", 64)
    random = generator(0, "points")
    positions, heights = random.uniform(0, 10, (500, 3)), np.round(random.uniform(size=500), 2)
    kept: list[int] = []
    for i in np.lexsort((np.arange(500), -heights)):
        if all(np.linalg.norm(positions[i] - positions[j]) >= 1.5 for j in kept):
            kept.append(int(i))
    assert keep_apart(positions, heights, 1.5).tolist() == kept


@pytest.mark.parametrize("method", ["gaussian", "quadratic", "polynomial"])
def test_refinement_is_exact_where_its_model_is(method: str) -> None:
    x = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).astype(float)
    centre = np.array([0.31, -0.22, 0.4])
    curvature = np.array([[0.05, 0.01, 0], [0.01, 0.06, -0.02], [0, -0.02, 0.04]])
    parabola = -np.einsum("...i,ij,...j", x - centre, curvature, x - centre)
    values = np.exp(parabola) if method == "gaussian" else 5 + parabola
    if method == "polynomial":
        values = values - 0.002 * ((x - centre) ** 4).sum(-1)
    index, height = refine_peaks(values.astype(np.float32), np.array([[4, 4, 4]]), method)
    np.testing.assert_allclose(index[0], 4 + centre, atol=1e-3)
    assert height[0] == pytest.approx(1 if method == "gaussian" else 5, rel=1e-4)


def test_refinement_stays_in_the_voxel() -> None:
    values = generator(1, "noise").normal(size=(30, 30, 30)).astype(np.float32)
    voxels = local_maxima(values)
    for method in ("gaussian", "quadratic", "polynomial"):
        index, height = refine_peaks(values, voxels, method)
        assert np.abs(index - voxels).max() <= 0.5
        assert np.isfinite(height).all()


def lognormal(n: int, height: float, spread: float, seed: int) -> np.ndarray:
    return height * np.exp(generator(seed, "heights").normal(scale=spread, size=n))


@pytest.mark.parametrize("light", [0.07, 0.25])
def test_the_threshold_lies_in_the_valley_above_the_noise(light: float) -> None:
    species = [lognormal(300, 1.0, 0.1, 1), lognormal(150, light, 0.15, 2)]
    noise = lognormal(200, 0.01, 0.4, 3)
    peaks = PeakHeights(np.concatenate([*species, noise[:100]]), noise[100:], np.zeros(0))
    threshold = automatic_threshold(peaks)
    assert noise.max() < threshold < species[1].min()


def test_crowded_maxima_stand_in_for_an_outside() -> None:
    species = [lognormal(300, 1.0, 0.1, 1), lognormal(150, 0.2, 0.1, 2)]
    noise = lognormal(400, 0.02, 0.4, 3)
    peaks = PeakHeights(np.concatenate([*species, noise[:200]]), np.zeros(0), noise[200:])
    threshold = automatic_threshold(peaks)
    assert np.quantile(noise, 0.97) < threshold < species[1].min()


def test_without_noise_every_species_stays() -> None:
    species = np.concatenate([lognormal(300, 1.0, 0.02, 1), lognormal(10, 0.03, 0.02, 2)])
    assert automatic_threshold(PeakHeights(species, np.zeros(0), np.zeros(0))) < species.min()


def test_stray_atoms_outside_do_not_raise_the_threshold() -> None:
    true = lognormal(400, 1.0, 0.15, 1)
    noise = lognormal(400, 0.02, 0.4, 3)
    peaks = PeakHeights(np.concatenate([true[10:], noise[:200]]), np.concatenate([noise[200:], true[:8]]), np.zeros(0))
    assert noise.max() < automatic_threshold(peaks) < true.min()
