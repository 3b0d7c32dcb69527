import numpy as np
import pytest

from pann.core import InputError
from pann.simulation.microscope import Microscope


def test_nyquist_step_and_sampling_limit(microscope: Microscope) -> None:
    assert microscope.wavelength == pytest.approx(0.019687, rel=1e-4)
    assert microscope.nyquist_step == pytest.approx(0.197, abs=5e-4)
    assert microscope.sampling_limit == pytest.approx(0.0691, abs=5e-4)


def test_the_source_allows_a_coarser_scan() -> None:
    """Frequencies from 2 α / λ down fold to where the blur leaves 1 % of them; a point source forgives none."""
    sharp, blurred = Microscope(source_sigma=0.0), Microscope(source_sigma=0.30)
    assert sharp.scan_step == pytest.approx(sharp.nyquist_step)
    folded = 1 / blurred.scan_step - 1 / (2 * blurred.nyquist_step)
    assert np.exp(-2 * (np.pi * blurred.source_sigma * folded) ** 2) == pytest.approx(0.01)
    assert blurred.scan_step > 1.2 * blurred.nyquist_step


def test_aberrations_are_those_of_abtem() -> None:
    from abtem import CTF

    microscope = Microscope(astigmatism=20, astigmatism_angle=30, coma=400, coma_angle=-50, spherical=1e4)
    kx, ky = (axis.ravel() for axis in np.meshgrid(np.linspace(-0.02, 0.02, 5), np.linspace(-0.02, 0.02, 4)))
    alpha, phi = np.hypot(kx, ky), np.arctan2(ky, kx)
    ctf = CTF(energy=microscope.energy, aberration_coefficients=microscope.aberration_coefficients)
    expected = ctf._evaluate_from_angular_grid(alpha[None], phi[None])[0]
    np.testing.assert_allclose(np.exp(-1j * microscope.aberration_phase(alpha, phi)), expected, atol=1e-4)


def test_focal_nodes_have_the_spread_that_they_stand_for() -> None:
    nodes, weights = np.transpose(Microscope(focal_spread=30.0).focal_nodes())
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ nodes == pytest.approx(0.0, abs=1e-9)
    assert weights @ nodes**2 == pytest.approx(30.0**2)
    assert Microscope().focal_nodes() == [(0.0, 1.0)]


def test_records_name_only_aberrations_that_are_there() -> None:
    assert set(Microscope().to_dict()) == {"energy", "semiangle", "inner", "outer", "source_sigma"}
    assert Microscope(**Microscope(coma=3.0).to_dict()) == Microscope(coma=3.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy": 300}, "give it in eV"),
        ({"outer": 30}, "outer <= inner"),
        ({"inner": 20}, "bright-field"),
        ({"source_sigma": -1}, "source_sigma"),
        ({"semiangle": float("nan")}, "semiangle"),
        ({"astigmatism": float("inf")}, "astigmatism"),
        ({"focal_spread": -10.0}, "focal_spread"),
    ],
)
def test_impossible_set_ups_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Microscope(**changes)
