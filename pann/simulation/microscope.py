"""The instrument: everything about the microscope that an image depends on."""

from dataclasses import asdict, dataclass
from math import isfinite

from pann.core.errors import InputError
from pann.core.units import electron_wavelength


@dataclass(frozen=True)
class Microscope:
    """An annular dark-field STEM.

    Attributes
    ----------
    energy : of the electrons [eV].
    semiangle : convergence semi-angle of the probe [mrad].
    inner, outer : collection angles of the annular detector [mrad].
    source_sigma : standard deviation of the effective source [Å]; blurs every image.
    """

    energy: float = 300e3
    semiangle: float = 25.0
    inner: float = 40.0
    outer: float = 95.0
    source_sigma: float = 0.30

    def __post_init__(self) -> None:
        for name, unit in (("energy", "eV"), ("semiangle", "mrad"), ("inner", "mrad"), ("outer", "mrad")):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise InputError(f"microscope: {name} is {value}: expected a positive number [{unit}]")
        if self.energy < 1e3:
            raise InputError(f"microscope: energy is {self.energy} eV: give it in eV, such as 300e3")
        if not (isfinite(self.source_sigma) and self.source_sigma >= 0):
            raise InputError(f"microscope: source_sigma is {self.source_sigma}: expected a number >= 0 [Å]")
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
    def sampling_limit(self) -> float:
        """Coarsest sampling of the wave functions [Å] that carries the detector: 2/3 of Nyquist reach `outer`."""
        return self.wavelength / (3e-3 * self.outer)

    def to_dict(self) -> dict[str, float]:
        """Plain values, for headers and records."""
        return asdict(self)
