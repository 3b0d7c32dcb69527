from math import pi
from pathlib import Path

import numpy as np
import pytest

from pann.simulation.imaging.focus import compute_focus, focal_masses, height_step
from pann.simulation.imaging.kernel_table import atom_kernels, shipped_microscopes
from pann.simulation.imaging.kernels import isolated_atom, transferred_frequencies
from pann.simulation.microscope import Microscope


def transfer(number: int, height: float, microscope: Microscope, frequencies: np.ndarray) -> np.ndarray:
    sigmas, masses = focal_masses(np.array([number]), np.array([[height]]), microscope)
    weights = masses[0, 0] / masses[0, 0].sum()
    return np.exp(-2 * (pi * sigmas[0] * frequencies[:, None]) ** 2) @ weights


@pytest.mark.parametrize(("number", "height"), [(22, 33.0), (60, -20.0)])
def test_elements_and_heights_between_those_of_the_table(
    number: int, height: float, microscope: Microscope, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of what the usual source passes, where defocus takes away 9 to 20 %."""
    monkeypatch.setenv("PANN_CACHE", str(tmp_path))
    frequencies = transferred_frequencies(microscope)
    blur = np.exp(-2 * (pi * 0.3 * frequencies) ** 2)
    exact = isolated_atom(number, microscope).transfer(frequencies, height)
    np.testing.assert_allclose(transfer(number, height, microscope, frequencies) * blur, exact * blur, atol=0.01)
    assert not list(tmp_path.iterdir())


def test_masses_add_to_the_cross_section(microscope: Microscope) -> None:
    _, masses = focal_masses(np.array([28, 78]), np.array([[0.0, 41.0], [-17.0, 3.0]]), microscope)
    sections = [atom_kernels(microscope, [number])[number].cross_section for number in (28, 78)]
    np.testing.assert_allclose(masses.sum(-1), np.broadcast_to(sections, (2, 2)), rtol=1e-3)


def test_other_set_ups_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANN_CACHE", str(tmp_path))
    made = []

    def computed(number: int, steps: list[int], microscope: Microscope) -> dict[int, list[float]]:
        made.append((number, tuple(steps)))
        return {step: [1.0, 0, 0, 0, 0, 0] for step in steps}

    monkeypatch.setattr("pann.simulation.imaging.focus.compute_focus", computed)
    odd = Microscope(inner=61, outer=93)
    atom_kernels(odd, [29])
    first = focal_masses(np.array([29]), np.array([[5.0]]), odd)
    calls = len(made)
    second = focal_masses(np.array([29]), np.array([[5.0]]), odd)
    assert calls == len(made) == 5
    np.testing.assert_array_equal(first[1], second[1])


def test_shipped_tables_are_those_of_the_computation(microscope: Microscope) -> None:
    step = height_step(microscope)
    _, masses = focal_masses(np.array([29]), np.array([[2 * step]]), microscope)
    weights = compute_focus(29, [2], microscope)[2]
    np.testing.assert_allclose(masses[0, 0] / masses.sum(), weights, atol=2e-3)
    assert len(shipped_microscopes()) == 3
