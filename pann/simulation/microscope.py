"""The instrument: everything about the microscope that an image depends on."""

from dataclasses import asdict, dataclass, fields
from math import isfinite, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.core.units import electron_wavelength

_ALWAYS = ("energy", "semiangle", "inner", "outer", "source_sigma")
"""Always written to records; the others only where they differ from zero."""


@dataclass(frozen=True)
class Microscope:
    """An annular dark-field STEM.

    Attributes
    ----------
    energy : of the electrons [eV].
    semiangle : convergence semi-angle of the probe [mrad].
    inner, outer : collection angles of the annular detector [mrad].
    source_sigma : standard deviation of the effective source [Å]; blurs every image.
    astigmatism, astigmatism_angle : twofold, C12 [Å] and its direction phi12 [deg].
    coma, coma_angle : axial, C21 [Å] (three times B2) and its direction phi21 [deg].
    spherical : C30, also called Cs [Å]; 1 µm is 1e4 Å.
    focal_spread : standard deviation of the focus by chromatic aberration [Å]; 20 to 40 Å for 0.6 to 0.9 eV.
    """

    energy: float = 300e3
    semiangle: float = 25.0
    inner: float = 40.0
    outer: float = 95.0
    source_sigma: float = 0.30
    astigmatism: float = 0.0
    astigmatism_angle: float = 0.0
    coma: float = 0.0
    coma_angle: float = 0.0
    spherical: float = 0.0
    focal_spread: float = 0.0

    def __post_init__(self) -> None:
        for name, unit in (("energy", "eV"), ("semiangle", "mrad"), ("inner", "mrad"), ("outer", "mrad")):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise InputError(f"microscope: {name} is {value}: expected a positive number [{unit}]")
        if self.energy < 1e3:
            raise InputError(f"microscope: energy is {self.energy} eV: give it in eV, such as 300e3")
        if not (isfinite(self.source_sigma) and self.source_sigma >= 0):
            raise InputError(f"microscope: source_sigma is {self.source_sigma}: expected a number >= 0 [Å]")
        for entry in fields(self)[5:]:
            if not isfinite(getattr(self, entry.name)):
                raise InputError(f"microscope: {entry.name} is {getattr(self, entry.name)}: expected a number")
        if self.focal_spread < 0:
            raise InputError(f"microscope: focal_spread is {self.focal_spread}: expected a number >= 0 [Å]")
        if self.outer <= self.inner:
            raise InputError(f"microscope: the detector reaches from {self.inner} to {self.outer} mrad: outer <= inner")
        if self.inner < self.semiangle:
            raise InputError(
                f"microscope: inner is {self.inner} mrad but the beam fills {self.semiangle} mrad: "
                "this is a bright-field set-up, PANN models dark field"
            )

    @property
    def wavelength(self) -> float:
        """Of the electrons [Å]."""
        return electron_wavelength(self.energy)

    @property
    def nyquist_step(self) -> float:
        """Largest scan step [Å] that does not alias: ADF images hold frequencies up to 2 α / λ."""
        return self.wavelength / (4e-3 * self.semiangle)

    @property
    def scan_step(self) -> float:
        """Coarsest scan step [Å] of an image that the source will blur: what aliases it damps to 1 %."""
        highest = 1 / (2 * self.nyquist_step)
        kept = highest
        if self.source_sigma > 0:
            kept = min(highest, sqrt(log(100) / 2) / (pi * self.source_sigma))
        return 1 / (highest + kept)

    @property
    def sampling_limit(self) -> float:
        """Coarsest sampling of the wave functions [Å] that carries the detector: 2/3 of Nyquist reach `outer`."""
        return self.wavelength / (3e-3 * self.outer)

    @property
    def depth_of_focus(self) -> float:
        """Range of heights along the beam that are in focus together [Å]: λ / α²."""
        return self.wavelength / (1e-3 * self.semiangle) ** 2

    def aberration_phase(self, alpha: NDArray[np.float64], phi: NDArray[np.float64]) -> NDArray[np.float64]:
        """Phase χ of the probe at polar angle `alpha` [rad] and azimuth `phi` [rad]; ψ = exp(-i χ), without defocus.

        Krivanek's notation as in Kirkland, Advanced Computing in Electron Microscopy (2010), equation 2.22.
        """
        twofold, axis = np.deg2rad(self.astigmatism_angle), np.deg2rad(self.coma_angle)
        path = alpha**2 / 2 * self.astigmatism * np.cos(2 * (phi - twofold))
        path = path + alpha**3 / 3 * self.coma * np.cos(phi - axis) + alpha**4 / 4 * self.spherical
        return 2 * pi / self.wavelength * path

    @property
    def aberration_coefficients(self) -> dict[str, float]:
        """The same aberrations by the names that abTEM knows, those that are not zero; [Å] and [rad]."""
        named = {"C12": self.astigmatism, "C21": self.coma, "C30": self.spherical}
        angles = {"C12": ("phi12", self.astigmatism_angle), "C21": ("phi21", self.coma_angle)}
        found = {key: value for key, value in named.items() if value != 0}
        return found | {angles[key][0]: float(np.deg2rad(angles[key][1])) for key in found if key in angles}

    def focal_nodes(self) -> list[tuple[float, float]]:
        """Offsets of the focus [Å] and their weights that stand for `focal_spread` (Gauss-Hermite quadrature)."""
        if self.focal_spread == 0:
            return [(0.0, 1.0)]
        nodes, weights = np.polynomial.hermite_e.hermegauss(5)
        return [(float(self.focal_spread * x), float(w)) for x, w in zip(nodes, weights / weights.sum(), strict=True)]

    def to_dict(self) -> dict[str, float]:
        """Plain values, for headers and records; aberrations that are zero are left out."""
        return {key: value for key, value in asdict(self).items() if value != 0 or key in _ALWAYS}
