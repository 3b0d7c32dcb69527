"""Reconstruction finds what was projected, stops on its statistic, and refuses what cannot be meant."""

import numpy as np
import pytest
import torch

from pann.core import ConfigError, PointSpread, TiltSeries
from pann.core.random import generator
from pann.tomography import make_projector, reconstruct, reconstruct_details
from pann.tomography.background import border_background
from pann.tomography.deviance import expected_deviance, poisson_deviance
from pann.tomography.extent import extended_shape
from pann.tomography.poisson import interleaved_subsets

PIXEL = 0.4
TILTS = np.arange(-70, 71, 5.0)
PSF = PointSpread((0.45,))
ATOMS = np.array([[0, 0, 0], [6, 0, 1], [-5, 5, -3], [2, -6, 5], [-3, -4, -7]])


def truth(n: int = 28) -> torch.Tensor:
    volume = torch.zeros(n, n, n)
    for x, y, z in ATOMS + n // 2:
        volume[x, y, z] = 1
    return volume


def counts(per_atom: float = 400, background: float = 0.5) -> TiltSeries:
    projector = make_projector(TILTS, (28, 28, 28), (28, 28), pixel_size=PIXEL, psf=PSF)
    expected = projector.forward(truth() * per_atom) + background
    return TiltSeries(generator(1, "noise").poisson(expected.numpy()), TILTS, PIXEL)


def brightest(values: np.ndarray, n: int) -> set[tuple[int, ...]]:
    order = np.argsort(values.ravel())[::-1]
    found: list[np.ndarray] = []
    for index in np.stack(np.unravel_index(order, values.shape), axis=1):
        if all(np.linalg.norm(index - other) > 2 for other in found):
            found.append(index)
        if len(found) == n:
            break
    return {tuple(int(i) for i in index - 14) for index in found}


@pytest.mark.parametrize("method", ["poisson", "resire", "sirt", "wbp"])
def test_every_method_finds_the_atoms(method: str) -> None:
    volume = reconstruct(counts(), method, psf=None if method == "wbp" else PSF, iterations=30, progress=False)
    assert volume.shape == (28, 28, 28)
    assert volume.voxel_size == PIXEL
    assert brightest(volume.values, 5) == {tuple(int(i) for i in atom) for atom in ATOMS}
    if method != "wbp":
        assert volume.values.min() >= 0


def test_poisson_keeps_the_counts_and_stops_when_noise_is_left() -> None:
    series = counts()
    result = reconstruct_details(series, psf=PSF, iterations=200, progress=False)
    assert result.iterations < 200
    assert result.statistic == pytest.approx(1, abs=0.02)
    assert result.background.mean() == pytest.approx(0.5, abs=0.05)
    assert result.volume.values.sum() == pytest.approx(400 * len(ATOMS), rel=0.05)


def test_poisson_raises_the_likelihood_with_every_pass() -> None:
    series = counts()
    projector = make_projector(TILTS, (28, 28, 28), (28, 28), pixel_size=PIXEL, psf=PSF)
    deviances = []
    for iterations in (1, 2, 4, 8):
        result = reconstruct_details(
            series, psf=PSF, iterations=iterations, stop_ratio=None, stall=None, ordered_subsets=False, progress=False
        )
        level = torch.tensor(result.background, dtype=torch.float32)[:, None, None]
        expected = projector.forward(torch.tensor(result.volume.values)) + level
        deviances.append(poisson_deviance(torch.tensor(series.images), expected))
    assert deviances == sorted(deviances, reverse=True)


def test_deviance_of_pure_noise_is_the_expected_one() -> None:
    for mean in (0.02, 0.5, 3.0, 200.0):
        expected = torch.full((40_000,), mean)
        drawn = torch.tensor(generator(5, f"{mean}").poisson(expected.numpy()), dtype=torch.float32)
        assert poisson_deviance(drawn, expected) == pytest.approx(expected_deviance(expected), rel=0.05)
    assert expected_deviance(torch.full((10,), 500.0)) == pytest.approx(10, rel=1e-3)


def test_a_film_needs_the_volume_beside_the_field() -> None:
    tilts = np.arange(-60, 61, 6.0)
    wide = extended_shape(tilts, (20, 12, 10))
    assert wide[0] >= 20 / np.cos(np.deg2rad(60)) + 10 * np.tan(np.deg2rad(60))
    film = torch.tensor(generator(2, "film").random(wide) ** 6, dtype=torch.float32)
    images = make_projector(tilts, wide, (20, 12), pixel_size=PIXEL).forward(film).numpy()
    series = TiltSeries(images, tilts, PIXEL, kind="intensity")
    start = (wide[0] - 20) // 2
    inside = film[start : start + 20].numpy()
    errors = []
    for extended in (True, False):
        result = reconstruct_details(series, iterations=60, extended=extended, depth=10 * PIXEL, progress=False)
        errors.append(np.linalg.norm(result.volume.values - inside))
        assert (result.outside is not None) == extended
    assert errors[0] < 0.75 * errors[1]


def test_the_outside_and_the_volume_add_up_to_the_images() -> None:
    tilts = np.arange(-40, 41, 8.0)
    wide = extended_shape(tilts, (16, 8, 8))
    film = torch.tensor(generator(4, "film").random(wide), dtype=torch.float32)
    images = make_projector(tilts, wide, (16, 8), pixel_size=PIXEL).forward(film).numpy()
    result = reconstruct_details(
        TiltSeries(images, tilts, PIXEL, kind="intensity"),
        iterations=150,
        extended=True,
        depth=8 * PIXEL,
        progress=False,
    )
    kept = make_projector(tilts, result.volume.shape, (16, 8), pixel_size=PIXEL)
    total = kept.forward(torch.tensor(result.volume.values)).numpy() + result.outside
    assert np.linalg.norm(total - images) < 0.03 * np.linalg.norm(images)


def test_support_is_kept() -> None:
    mask = np.zeros((28, 28, 28), bool)
    mask[4:24, 4:24, 4:24] = True
    volume = reconstruct(counts(), psf=PSF, iterations=5, support=mask, progress=False)
    assert volume.values[~mask].max() == 0


def test_the_same_series_gives_the_same_volume() -> None:
    first, second = (reconstruct(counts(), iterations=3, progress=False).values for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_background_is_read_from_the_emptiest_side() -> None:
    series = counts(background=2.0)
    images = series.images.copy()
    images[:, :6] += 50  # an object that touches one side
    assert border_background(series.replace(images=images)).mean() == pytest.approx(2.0, rel=0.05)


def test_subsets_are_spread_and_complete() -> None:
    subsets = interleaved_subsets(23, 4)
    assert sorted(tilt for subset in subsets for tilt in subset) == list(range(23))
    assert all(np.diff(subset).max() <= 4 for subset in subsets)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "reconstruction.method"),
        ({"background": "guess"}, "reconstruction.background"),
        ({"support": np.ones((3, 3, 3), bool)}, "support has shape"),
    ],
)
def test_impossible_options(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reconstruct(counts(), **options, progress=False)
