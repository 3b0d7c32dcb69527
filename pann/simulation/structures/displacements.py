"""Atoms off their sites: strain, static displacements, and how far each element vibrates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from pann.simulation.structures.disorder import displaced, strained
from pann.simulation.structures.element_options import ByElement
from pann.simulation.structures.options import Option, Real
from pann.simulation.structures.registry import Kind

_OPTIONS: dict[str, Option] = {
    "strain": Real(0, 0.2, 0.0),
    "strain_field": Real(0, 0.2, 0.0),
    "field_length": Real(0.2, 20, [0.8, 2.0]),
    "displacement": ByElement(0, 0.5, 0.0),
    "thermal_sigma": ByElement(0, 0.5, None),
}


def distort(
    positions: NDArray[np.float64],
    numbers: NDArray[np.int64],
    rng: np.random.Generator,
    strain: float,
    strain_field: float,
    field_length: float,
    displacement: Any,
    thermal_sigma: Any,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Positions (n, 3) [Å] off their sites, and what was drawn for each element.

    Parameters
    ----------
    strain : standard deviation of the components of a homogeneous strain.
    strain_field : the same of a strain that varies smoothly over the particle.
    field_length : wavelength of that field in diameters of the particle.
    displacement : standard deviation of independent static displacements along each axis [Å], by element.
    thermal_sigma : standard deviation of the vibration along each axis [Å], by element. The atoms stay where they are:
        it is handed on to the microscope.
    """
    elements = np.unique(numbers)
    positions = strained(positions, strain, rng)
    positions = positions + smooth_displacement(positions, strain_field, field_length, rng)
    static = _by_number(displacement, elements, rng)
    sigma = np.array([static.get(number, 0.0) for number in numbers.tolist()])
    positions = displaced(positions, sigma[:, None], rng)
    drawn = {"displacement": {chemical_symbols[number]: value for number, value in static.items()}}
    return positions, drawn | {"thermal_sigma": _by_number(thermal_sigma, elements, rng)}


DISORDER = Kind("disorder", distort, _OPTIONS, frozenset())
"""The stage of the recipe."""


def smooth_displacement(
    positions: NDArray[np.float64], strain: float, length: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Displacements (n, 3) [Å] of a random smooth field whose strain components have the standard deviation `strain`.

    Six plane waves of random direction, polarisation and phase, with a wavelength of `length` diameters.
    """
    directions, polarisations = rng.normal(size=(2, 6, 3))
    phases = rng.uniform(0, 2 * np.pi, size=6)
    if strain == 0 or len(positions) < 2:
        return np.zeros_like(positions)
    diameter = 2 * np.linalg.norm(positions - positions.mean(axis=0), axis=1).max()
    waves = directions / np.linalg.norm(directions, axis=1, keepdims=True) * 2 * np.pi / (length * diameter)
    argument = positions @ waves.T + phases
    gradients = np.einsum("nw,wi,wj->nij", np.cos(argument), polarisations, waves)
    strains = (gradients + gradients.transpose(0, 2, 1)) / 2
    return np.sin(argument) @ polarisations * strain / np.sqrt((strains**2).mean())


def _by_number(value: Any, elements: NDArray[np.int64], rng: np.random.Generator) -> dict[int, float]:
    """A number for each element that `value` (see `ByElement`) speaks of, by atomic number."""
    drawn = {}
    for number in elements.tolist():
        item = value.get(chemical_symbols[number]) if isinstance(value, Mapping) else value
        sigma = Real(0, 0.5, None).draw(item, rng)
        if sigma is not None:
            drawn[int(number)] = float(sigma)
    return drawn
