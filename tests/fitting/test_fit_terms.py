"""Terms beyond the plain sum of atoms: smooth backgrounds, saturation, a factor for each atom."""

import numpy as np
import pytest
import torch

from pann.core import PointSpread
from pann.core.random import generator
from pann.fitting import fit
from pann.fitting.surface import n_terms, surface_terms
from tests.fitting.fit_scene import dense_images, displaced, particle, rmsd_pm, series_of

N, SIZE = 30, 48


@pytest.fixture(scope="module")
def scene():
    true = particle(N)
    return true, series_of(true, np.full(N, 400.0), size=SIZE)


def test_the_terms_of_a_surface_are_orthogonal():
    terms = surface_terms((200, 160), 3, torch.float64).reshape(n_terms(3), -1)
    gram = terms @ terms.T
    size = gram.diagonal().sqrt()
    correlation = gram / size[:, None] / size - torch.eye(n_terms(3))
    assert correlation.abs().max() < 0.05
    assert terms.mean(1).abs().max() < 0.02


def test_a_support_film_is_told_from_the_atoms(scene):
    true, series = scene
    rng = generator(0, "film")
    coefficients = rng.uniform(-0.4, 0.4, (series.n_tilts, n_terms(2)))
    film = 1.5 + np.einsum("tk,kxy->txy", coefficients, surface_terms((SIZE, SIZE), 2).numpy())
    atoms = dense_images(true, np.full(N, 400.0), series.angles, (SIZE, SIZE), 0.4, PointSpread((0.4,)))
    counts = rng.poisson(atoms + film)
    start = displaced(true, 0.1)
    flat, bent = (fit(series.replace(images=counts), start, surface=k, halo="fixed", progress=False) for k in (0, 2))
    np.testing.assert_allclose(bent.surface, coefficients, atol=0.35)
    assert np.corrcoef(bent.surface.ravel(), coefficients.ravel())[0, 1] > 0.95
    assert bent.deviance < flat.deviance - 2 * bent.surface.size
    assert rmsd_pm(bent.model.positions, true) < 1.25 * bent.bound_pm


def test_saturation_is_found_and_a_linear_series_has_none(scene):
    true, plain = scene
    bright = 10 * dense_images(true, np.full(N, 400.0), plain.angles, (SIZE, SIZE), 0.4, PointSpread((0.4,)))
    beta = 0.3 / bright.max()
    rng = generator(2, "saturated")
    start = displaced(true, 0.05)
    series = plain.replace(images=rng.poisson(3 + bright / (1 + beta * bright)))
    result = fit(series, start, saturation=True, halo="fixed", progress=False)
    assert result.saturation == pytest.approx(beta, rel=0.05)
    assert result.model.intensities == pytest.approx(4000, rel=0.02)
    linear = fit(series, start, halo="fixed", progress=False)
    assert rmsd_pm(result.model.positions, true) < rmsd_pm(linear.model.positions, true)
    straight = series.replace(images=rng.poisson(3 + bright))
    assert fit(straight, start, saturation=True, halo="fixed", progress=False).saturation < 0.08 * beta


def test_each_element_has_a_width_of_its_own():
    true, numbers = particle(40), np.where(np.arange(40) % 2, 78, 13)
    series = series_of(true, np.full(40, 1.0), size=52)
    images = sum(
        dense_images(true[numbers == z], np.full(20, h), series.angles, (52, 52), 0.4, PointSpread((width,)))
        for z, h, width in ((78, 900.0, 0.38), (13, 450.0, 0.46))
    )
    series = series.replace(images=generator(6, "widths").poisson(1 + images))
    start = displaced(true, 0.05).replace(numbers=numbers)
    options = {"halo": "fixed", "progress": False}
    common, apart = (fit(series, start, element_widths=free, **options) for free in (False, True))
    assert common.element_widths is None
    assert apart.element_widths == {13: pytest.approx(0.46, rel=0.02), 78: pytest.approx(0.38, rel=0.02)}
    assert apart.deviance < common.deviance - 100
    assert rmsd_pm(apart.model.positions, true) < 1.2 * apart.bound_pm
    assert apart.summary()["element_widths"]["Al"] == apart.element_widths[13]


def test_elements_of_equal_width_do_not_disturb_the_halo():
    """The width common to the elements is that of the PSF: it must not be free twice."""
    true = particle(30)
    series = series_of(true, np.full(30, 5e4), size=56, psf=PointSpread.core_and_halo(0.38, 0.2, 2.7))
    start = displaced(true, 0.1).replace(numbers=np.where(np.arange(30) % 2, 78, 26))
    options = {"covariance": "none", "progress": False}
    common, apart = (fit(series, start, element_widths=free, **options) for free in (False, True))
    assert apart.converged
    assert apart.deviance == pytest.approx(common.deviance, abs=20)
    assert apart.element_widths == {26: pytest.approx(0.38, rel=0.005), 78: pytest.approx(0.38, rel=0.005)}


def test_attenuation_along_the_beam_is_found_and_none_where_there_is_none(scene):
    true, plain = scene
    alpha = 0.01
    faded = np.stack(
        [
            dense_images(true, 900 * np.exp(-alpha * (true @ turn[2])), [theta], (SIZE, SIZE), 0.4, PointSpread((0.4,)))
            for turn, theta in zip(plain.rotations, plain.angles, strict=True)
        ]
    )[:, 0]
    series = plain.replace(images=generator(7, "faded").poisson(1 + faded))
    start = displaced(true, 0.05)
    options = {"halo": "fixed", "progress": False}
    result = fit(series, start, attenuation=True, **options)
    assert result.attenuation == pytest.approx(alpha, abs=0.001)
    assert result.deviance < fit(series, start, **options).deviance - 20
    assert rmsd_pm(result.model.positions, true) < 1.2 * result.bound_pm
    assert abs(fit(plain, start, attenuation=True, **options).attenuation) < 0.003


def test_factors_follow_the_atoms_as_far_as_their_prior_lets_them(scene):
    true, _ = scene
    factors = 1 + 0.1 * generator(3, "factors").normal(size=N)
    series = series_of(true, 400 * factors, size=SIZE)
    start = displaced(true, 0.1)
    options = {"intensities": "factor", "halo": "fixed", "progress": False}
    free, stiff = (fit(series, start, factor_sd=sd, **options).model.intensities for sd in (0.1, 1e-4))
    assert np.corrcoef(free, factors)[0, 1] > 0.9
    assert np.ptp(stiff) < 1e-2 * stiff.mean()
    apart = fit(series, start, intensities="atom", halo="fixed", progress=False).model.intensities
    # the prior draws the estimates together
    assert np.std(free) < np.std(apart)
