"""Unit conversions. Lengths Å, angles degrees, energies eV, dose e/Å² per projection."""

from math import sqrt

PICOMETRES_PER_ANGSTROM = 100.0
ELECTRON_REST_ENERGY = 510_998.95
"""Rest energy of the electron [eV] (CODATA 2018)."""
PLANCK_TIMES_LIGHT_SPEED = 12_398.41984
"""h c [eV Å] (CODATA 2018)."""


def electron_wavelength(energy: float) -> float:
    """Relativistic de Broglie wavelength [Å] of an electron of kinetic `energy` [eV].

    λ = h c / sqrt(E (E + 2 m c²)): Kirkland, Advanced Computing in Electron Microscopy, eq. 2.5.
    """
    return PLANCK_TIMES_LIGHT_SPEED / sqrt(energy * (energy + 2 * ELECTRON_REST_ENERGY))


def electrons_per_pixel(dose: float, pixel_size: float) -> float:
    """Electrons that fall on one pixel, from `dose` [e/Å² per projection] and `pixel_size` [Å]."""
    return dose * pixel_size**2
