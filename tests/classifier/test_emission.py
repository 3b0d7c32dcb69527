import numpy as np
import pytest

from pann.classifier.emission import WIDTHS, image_intensities
from pann.core import TiltSeries
from pann.core.geometry import project_positions
from pann.core.random import generator

PIXEL, WIDTH = 0.4, 0.52
ANGLES = np.arange(-60, 61, 10.0)


def scene(brightness, background=0.2, seed=1, noise=True):
    """A loose lattice of atoms of random brightness in thirteen images; returns series, positions and intensities."""
    rng = generator(seed, "scene")
    axis = 3.0 * (np.arange(3) - 1)
    sites = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = sites + rng.normal(scale=0.1, size=sites.shape)
    values = brightness * rng.uniform(0.5, 2.0, len(sites))
    grid = PIXEL * (np.arange(40) - 20)
    images = np.full((len(ANGLES), 40, 40), background)
    for image, places in zip(images, project_positions(sites, ANGLES), strict=True):
        x, y = (np.exp(-0.5 * ((grid - places[:, [k]]) / WIDTH) ** 2) for k in (0, 1))
        image += np.einsum("n,ni,nj->ij", values * PIXEL**2 / (2 * np.pi * WIDTH**2), x, y)
    counts = rng.poisson(images) if noise else images
    return TiltSeries(counts, ANGLES, PIXEL, kind="counts" if noise else "intensity"), sites, values


def test_noise_free_intensities_are_found():
    series, sites, values = scene(50.0, noise=False)
    found = image_intensities(series, sites, np.full(len(ANGLES), 0.2))
    assert found.width == WIDTH
    assert found.values == pytest.approx(values, rel=0.05)


def test_errors_follow_the_fisher_information():
    pulls = []
    for seed in range(4):
        series, sites, values = scene(30.0, seed=seed)
        found = image_intensities(series, sites, np.full(len(ANGLES), 0.2))
        pulls.append((found.values - values) / found.sigma)
    assert 0.8 < np.std(pulls) < 1.5
    assert abs(np.mean(pulls)) < 0.3


def test_what_else_is_in_the_images_can_be_told():
    series, sites, values = scene(50.0, noise=False)
    glow = np.zeros(series.images.shape)
    glow[:, :, :15] = 0.5
    brighter = series.replace(images=series.images + glow)
    found = image_intensities(brighter, sites, glow + 0.2)
    assert found.values == pytest.approx(values, rel=0.05)


def test_atoms_outside_the_images_and_negative_values_do_no_harm():
    series, sites, _ = scene(50.0, noise=False)
    far = np.concatenate([sites, [[100.0, 0, 0]]])
    found = image_intensities(series.replace(images=series.images - 0.3), far)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.sigma).all()
    assert found.width in WIDTHS
