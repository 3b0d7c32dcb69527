"""The kernels against a calculation that has no grid."""

import pytest

from pann.simulation.microscope import Microscope
from scripts import compare_exponents


def test_exponents_of_kernels_are_those_without_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_exponents, "N_RADII", 20_000)
    monkeypatch.setattr(compare_exponents, "N_FREQUENCIES", 120)
    microscope = Microscope(inner=60, outer=198)
    found = [
        compare_exponents.exponent(way, microscope)
        for way in (compare_exponents.without_grid, compare_exponents.of_kernels)
    ]
    assert found[0] == pytest.approx(1.638, abs=0.003)
    assert found[1] == pytest.approx(found[0], abs=0.004)
