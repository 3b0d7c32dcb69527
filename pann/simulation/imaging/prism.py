"""Tier `prism`: frozen-phonon PRISM images by abTEM.

PRISM (Ophus, Advanced Structural and Chemical Imaging 3, 13, 2017) propagates plane waves instead of probes; its
interpolation factor crops every probe to a window. Against multislice a window of 8.5 Å costs R = 2 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.waves import Foci, Specimen, WaveTier
from pann.simulation.microscope import Microscope

LEAST_WINDOW = 8.0
"""Narrower windows [Å] cut the probe: 4.2 Å differ from wide ones by R = 4 %."""


@dataclass(frozen=True)
class PrismTier(WaveTier):
    """PRISM; the other options are those of `WaveTier`.

    Attributes
    ----------
    window : least width of the window that a probe sees [Å].
    """

    name: ClassVar[str] = "prism"
    window: float = LEAST_WINDOW

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < LEAST_WINDOW:
            raise ConfigError(f"prism: window is {self.window}: it cuts the probe, take at least {LEAST_WINDOW} [Å]")

    @property
    def least_window(self) -> float | None:
        """The window: the number of windows along each edge divides the grid."""
        return self.window

    def _scan(
        self, specimen: Specimen, points: NDArray[np.float64], foci: Foci, microscope: Microscope
    ) -> NDArray[np.float64]:
        from abtem import CTF, CustomScan, SMatrix

        from pann.simulation.imaging.abtem_tools import abtem_settings, build_object, detector, values

        total = np.zeros(len(points))
        with abtem_settings(self.device):
            waves = SMatrix(
                semiangle_cutoff=microscope.semiangle,
                energy=microscope.energy,
                potential=build_object(specimen, microscope.energy, self.potential),
                interpolation=specimen.box.factors,
                downsample="cutoff",
            ).build(lazy=False)
            for focus, weight in foci:
                # abTEM puts the crossover `defocus` below the entrance surface.
                ctf = CTF(
                    semiangle_cutoff=microscope.semiangle,
                    energy=microscope.energy,
                    defocus=focus,
                    aberration_coefficients=microscope.aberration_coefficients,
                )
                image = waves.reduce(
                    scan=CustomScan(points), detectors=detector(microscope), ctf=ctf, max_batch_reduction=64
                )
                total += weight * values(image)
        return total


@dataclass(frozen=True)
class PrismOptions:
    """Numerical parameters of `prism_projection`, which takes abTEM's own potential.

    Attributes
    ----------
    sampling, window, slice_thickness, thermal_sigma, scan_step, device : as in `PrismTier`.
    """

    sampling: float = 0.066
    window: float = LEAST_WINDOW
    slice_thickness: float = 2.0
    thermal_sigma: float | Mapping[int, float] = 0.07
    scan_step: float | None = None
    device: str = "cpu"

    def tier(self) -> PrismTier:
        """The tier with these parameters."""
        return PrismTier(**self.__dict__, potential="abtem")


def prism_projection(
    model: AtomicModel,
    angles: ArrayLike,
    image_shape: tuple[int, int],
    pixel_size: float,
    microscope: Microscope,
    *,
    options: PrismOptions | None = None,
    seed: int = 0,
    index: int = 0,
) -> NDArray[np.float32]:
    """One image (nx, ny) at the Euler angles `angles` (3,) [deg], see `PrismTier`; one phonon configuration.

    `seed` and `index` name the thermal displacements.
    """
    view = Views(np.reshape(angles, (1, 3)), image_shape, pixel_size)
    return (options or PrismOptions()).tier().fraction(model, view, 0, microscope, seed=seed, stream=index)


def simulate_prism(
    model: AtomicModel,
    angles: ArrayLike,
    image_shape: tuple[int, int],
    pixel_size: float,
    microscope: Microscope,
    *,
    options: PrismOptions | None = None,
    seed: int = 0,
    progress: bool = False,
) -> NDArray[np.float32]:
    """`prism_projection` of a whole series, (n_tilts, nx, ny)."""
    tier = (options or PrismOptions()).tier()
    return tier.fractions(model, Views(angles, image_shape, pixel_size), microscope, seed=seed, progress=progress)
