"""Radial profiles as sums of Gaussians."""

import numpy as np
import pytest

from pann.core import InputError, PointSpread
from pann.fitting import fit
from pann.fitting.profile import psf_of_profile
from tests.fitting.fit_scene import displaced, particle, rmsd_pm, series_of

RADII = np.linspace(0, 4, 81)


def profile(psf: PointSpread) -> np.ndarray:
    pairs = zip(psf.sigmas, psf.weights, strict=True)
    return sum(w * np.exp(-((RADII / s) ** 2) / 2) / (2 * np.pi * s**2) for s, w in pairs)


@pytest.mark.parametrize("sigmas", [(0.4,), (0.37, 1.1), (0.33, 0.6, 1.3)])
def test_a_sum_of_gaussians_is_recovered_as_a_profile(sigmas):
    true = profile(PointSpread(sigmas, tuple(np.full(len(sigmas), 1 / len(sigmas)))))
    found = psf_of_profile(RADII, 37 * true)
    assert len(found.sigmas) <= 6
    assert np.abs(profile(found) - true).max() < 0.02 * true.max()


def test_the_fit_takes_it_with_its_shape_held():
    shape = PointSpread((0.35, 0.6, 1.2), (0.6, 0.3, 0.1))
    true = particle(20)
    series = series_of(true, np.full(20, 500.0), psf=shape, size=46)
    given = psf_of_profile(RADII, profile(shape))
    result = fit(series, displaced(true, 0.1), psf=given, progress=False)
    assert result.converged
    assert result.psf.weights == pytest.approx(given.weights)
    assert rmsd_pm(result.model.positions, true) < 1.3 * result.bound_pm


def test_a_profile_without_atoms_is_refused():
    with pytest.raises(InputError, match="positive somewhere"):
        psf_of_profile(RADII, np.zeros(81))
