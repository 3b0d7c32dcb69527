from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from pann.core import InputError
from pann.simulation.imaging.abtem_tools import abtem_slices
from pann.simulation.imaging.box import Box
from pann.simulation.imaging.kernel_table import atom_kernels, cache_folder, shipped_microscopes, table_name
from pann.simulation.imaging.kernels import IsolatedAtom, compute_kernel
from pann.simulation.imaging.waves import Specimen
from pann.simulation.microscope import Microscope


def test_cross_section_is_the_integral_of_the_image(microscope: Microscope) -> None:
    atom = IsolatedAtom(28, microscope)
    radii = np.linspace(0, 1, 90) ** 1.4 * 9.9
    integral = 2 * np.pi * np.trapezoid([r * atom.fraction(r) for r in radii], radii)
    assert integral == pytest.approx(atom.cross_section(), rel=0.02)


def test_z_exponent_and_cross_section_of_a_wide_detector() -> None:
    # Independent abTEM multislice scans: exponent 1.54 between Ni and Pt, 0.0219 Å² for Pt (40-198 mrad, 300 kV).
    wide = Microscope(outer=198)
    sections = {number: IsolatedAtom(number, wide).cross_section() for number in (28, 78)}
    assert log(sections[78] / sections[28]) / log(78 / 28) == pytest.approx(1.54, abs=0.04)
    assert sections[78] == pytest.approx(0.0219, rel=0.02)


RANGES = [(300e3, 40, 1.54), (300e3, 50, 1.63), (300e3, 60, 1.69), (200e3, 40, 1.45)]
"""Energy, inner angle (outer 198 mrad), exponent in multislice scans with abTEM's potential at 0.033 Å."""


@pytest.mark.parametrize(("energy", "inner", "expected"), RANGES)
def test_z_exponents_of_abtem_potentials(energy: float, inner: float, expected: float) -> None:
    """On such grids cross-sections depend on where an atom lies between grid points: means over two places."""
    edge = 10.0
    microscope = Microscope(energy=energy, inner=inner, outer=198)
    sections = {}
    for number in (28, 78):
        atom = IsolatedAtom(number, microscope, edge)
        box = Box((edge, edge, 2.0), (atom.n, atom.n), (1, 1), 1, (1, 1), np.zeros(3))
        places = edge / 2 + np.array([0.0, 0.5]) * edge / atom.n
        found = []
        for place in places:
            specimen = Specimen(np.array([number]), np.array([[place, place, 1.0]]), box, 2.0)
            atom.transmission = abtem_slices(specimen, energy)[0]
            found.append(atom.cross_section())
        sections[number] = np.mean(found)
    assert log(sections[78] / sections[28]) / log(78 / 28) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("energy", "inner", "expected"), RANGES)
def test_z_exponents_of_kernels(energy: float, inner: float, expected: float) -> None:
    """abTEM's exponents fall towards these on finer grids: 1.716, 1.690, 1.672, 1.653 at 0.030 to 0.010 Å (60 mrad)."""
    microscope = Microscope(energy=energy, inner=inner, outer=198)
    light, heavy = (IsolatedAtom(number, microscope).cross_section() for number in (28, 78))
    assert log(heavy / light) / log(78 / 28) == pytest.approx(expected - 0.03, abs=0.03)


def test_aberrations_widen_the_profile_and_keep_the_cross_section(microscope: Microscope) -> None:
    plain = IsolatedAtom(47, microscope)
    for changes in ({"focal_spread": 30.0}, {"astigmatism": 30.0}, {"spherical": 2e5}, {"coma": 2000.0}):
        atom = IsolatedAtom(47, replace(microscope, **changes))
        assert atom.cross_section() == pytest.approx(plain.cross_section(), rel=1e-6)
        assert atom.fraction(0.0) < 0.9 * plain.fraction(0.0)


def test_tables_of_other_aberrations_have_other_names(microscope: Microscope) -> None:
    changes = ({}, {"focal_spread": 30.0}, {"astigmatism": 30.0}, {"spherical": 2e5}, {"coma": 30.0}, {"coma": -30.0})
    assert len({table_name(replace(microscope, **change)) for change in changes}) == len(changes)
    turned = replace(microscope, astigmatism=9.0, coma=30.0, coma_angle=20.0)
    assert table_name(turned) != table_name(replace(turned, coma_angle=50.0))
    assert table_name(replace(turned, source_sigma=0.1)) == table_name(turned)


def test_gaussians_reproduce_the_blurred_profile(microscope: Microscope) -> None:
    """The image of a Pt atom behind a source of 0.25 Å, by convolution in two dimensions."""
    atom, kernel = IsolatedAtom(78, microscope), compute_kernel(78, microscope)
    axis = np.arange(-4, 4.01, 0.08)
    distance = np.hypot(axis[:, None], axis[None, :])
    radii = np.linspace(0, 5.0, 60)
    image = np.interp(distance, radii, [atom.fraction(r) for r in radii], right=0)
    at = np.array([0.0, 0.3, 0.6, 1.0, 1.5])
    blur = [np.exp(-((axis[:, None] - x) ** 2 + axis[None, :] ** 2) / (2 * 0.25**2)) for x in at]
    exact = np.array([(image * weight).sum() / weight.sum() for weight in blur])
    profile = kernel.profile.blurred(0.25)
    fitted = sum(
        w * np.exp(-(at**2) / (2 * s**2)) / (2 * np.pi * s**2)
        for s, w in zip(profile.sigmas, profile.weights, strict=True)
    )
    np.testing.assert_allclose(fitted * kernel.cross_section, exact, atol=0.02 * exact[0])


def test_shipped_tables_agree_with_the_computation(microscope: Microscope) -> None:
    shipped, computed = atom_kernels(microscope, [47])[47], compute_kernel(47, microscope)
    assert shipped.cross_section == pytest.approx(computed.cross_section, rel=1e-4)
    np.testing.assert_allclose(shipped.profile.sigmas, computed.profile.sigmas, rtol=1e-2)


@pytest.mark.parametrize("microscope_of_table", shipped_microscopes(), ids=table_name)
def test_shipped_cross_sections_grow_with_the_atomic_number(microscope_of_table: Microscope) -> None:
    kernels = atom_kernels(microscope_of_table, range(3, 93))
    sections = np.array([kernels[number].cross_section for number in range(3, 93)])
    # Shell structure makes small steps back: valence electrons of the alkali metals screen little.
    assert np.all(np.diff(sections) > -0.05 * sections[:-1])
    exponent = np.polyfit(np.log(np.arange(3, 93)), np.log(sections), 1)[0]
    assert 1.3 < exponent < 2.0


def test_other_set_ups_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANN_CACHE", str(tmp_path))
    odd = Microscope(inner=61, outer=93)
    first = atom_kernels(odd, [29])
    path = cache_folder() / table_name(odd)
    assert path.is_relative_to(tmp_path)
    assert path.is_file()
    monkeypatch.setattr("pann.simulation.imaging.kernel_table.compute_kernel", lambda *_: pytest.fail("computed twice"))
    second = atom_kernels(replace(odd, source_sigma=0.1), [29])
    assert second == first
    path.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        atom_kernels(odd, [29])


def test_unknown_elements_are_refused(microscope: Microscope) -> None:
    with pytest.raises(InputError, match="atomic number 0"):
        compute_kernel(0, microscope)
