"""The test set of scattered images (data/test_series): noise-free series, to which any dose is given later."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pann.core.arrays import require_positive
from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.core.random import generator
from pann.core.tilt_series import TiltSeries
from pann.core.units import electrons_per_pixel
from pann.io import read_atoms, read_tilt_series
from pann.simulation.microscope import Microscope


@dataclass(frozen=True, eq=False)
class NoiseFreeSeries:
    """A particle and what a perfect detector would see of it.

    Attributes
    ----------
    fractions : expected share of the incident electrons in each pixel, kind "intensity".
    truth : the particle, about the rotation centre [Å].
    microscope : that the images were computed for.
    """

    fractions: TiltSeries
    truth: AtomicModel
    microscope: Microscope

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read NAME.h5 and NAME_truth.xyz beside it; InputError where one is missing or of another kind."""
        file = Path(path)
        fractions = read_tilt_series(file)
        set_up: Any = fractions.metadata.get("microscope")
        if fractions.kind != "intensity" or set_up is None:
            raise InputError(f"{file} is no noise-free series: make one with scripts/make_test_series.py")
        truth = read_atoms(file.with_name(f"{file.stem}_truth.xyz"))
        return cls(fractions, truth.replace(name=file.stem), Microscope(**set_up))

    def counts(self, dose: float, seed: int, background: float = 0.0) -> TiltSeries:
        """Counts at `dose` [e/Å² per projection]: Poisson noise alone, named by the series, the dose and `seed`.

        Parameters
        ----------
        background : expected share of the incident electrons in every pixel that does not come from the particle.
        """
        require_positive("dose", dose, "e/Å² per projection")
        rng = generator(seed, self.fractions.name, round(1000 * dose))
        electrons = electrons_per_pixel(dose, self.fractions.pixel_size)
        images = rng.poisson((self.fractions.images.astype(float) + background) * electrons)
        return TiltSeries(
            images, self.fractions.angles, self.fractions.pixel_size, dose=dose, name=f"{self.truth.name} {dose:g} e/Å²"
        )
