"""What the tiers that scatter electrons share: frozen phonons, the scan, the source, the pixels."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import resample

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError, InputError
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.simulation.imaging.box import Box, plan_box
from pann.simulation.imaging.thermal import THERMAL_SIGMA, Thermal, check_thermal, sigma_of_atoms
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope

Foci = list[tuple[float, float]]
"""Heights of the focal plane above the entrance surface [Å], and their weights, which add to one."""


@dataclass(frozen=True)
class Specimen:
    """One frozen configuration of the atoms in its box.

    Attributes
    ----------
    numbers, positions : (n_atoms,) and (n_atoms, 3) [Å] in the box.
    box : its geometry.
    slice_thickness : [Å], at most.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    box: Box
    slice_thickness: float


@dataclass(frozen=True)
class WaveTier(ABC):
    """Numerical parameters of a scattering calculation.

    Attributes
    ----------
    sampling : coarsest sampling of the wave functions [Å]; the usable scattering angle is λ / (3 sampling).
    slice_thickness : of the slices, at most [Å].
    thermal_sigma : rms displacement of the atoms along one axis [Å], one number or one by atomic number.
    n_phonons : configurations of frozen phonons that are averaged in each image. Zone axes need several.
    scan_step : largest scan step before blurring and binning [Å]; None takes the coarsest that the blur by the
        source forgives (`Microscope.scan_step`), and interpolates.
    potential : "exact" sums the potential in Fourier space and resolves its cusps, see
        `pann.simulation.imaging.potential`; "abtem" is abTEM's own, 6 % low at 0.066 Å.
    device : "cpu", or "cuda" for a GPU (the tiers by abTEM then need cupy).
    """

    name: ClassVar[str]
    sampling: float = 0.066
    slice_thickness: float = 2.0
    thermal_sigma: Thermal = THERMAL_SIGMA
    n_phonons: int = 1
    scan_step: float | None = None
    potential: str = "exact"
    device: str = "cpu"

    def __post_init__(self) -> None:
        for key in ("sampling", "slice_thickness"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"{self.name}: {key} is {getattr(self, key)}: expected a positive number [Å]")
        if self.scan_step is not None and not self.scan_step > 0:
            raise ConfigError(f"{self.name}: scan_step is {self.scan_step}: expected a positive number [Å], or null")
        if self.n_phonons < 1:
            raise ConfigError(f"{self.name}: n_phonons is {self.n_phonons}: at least one configuration is needed")
        if self.potential not in ("exact", "abtem"):
            raise ConfigError(f"{self.name}: potential is {self.potential!r}: expected exact or abtem")
        check_thermal(self.name, self.thermal_sigma)

    @property
    def least_window(self) -> float | None:
        """Least part of the box that a probe sees [Å], where it must divide the box; None where it need not."""
        return None

    @abstractmethod
    def _scan(
        self, specimen: Specimen, points: NDArray[np.float64], foci: Foci, microscope: Microscope
    ) -> NDArray[np.float64]:
        """Fraction on the detector (m,) for probes at `points` (m, 2) [Å] in the box, the mean over `foci`."""

    def fractions(
        self, model: AtomicModel, views: Views, microscope: Microscope, *, seed: int = 0, progress: bool = False
    ) -> NDArray[np.float32]:
        """Noise-free expected fraction of the incident electrons on the detector, per pixel, (n, nx, ny).

        Parameters
        ----------
        model : positions [Å] about the rotation centre, with elements.
        seed : names the thermal displacements.
        progress : show a bar over the images.

        Raises
        ------
        InputError : atoms that leave the box, or a detector beyond 2/3 of the Nyquist angle.
        """
        images = []
        with progress_bar(self.name, len(views), enabled=progress) as bar:
            for index in range(len(views)):
                images.append(self.fraction(model, views, index, microscope, seed=seed))
                bar.advance(status=f"image {index + 1}")
        return np.stack(images)

    def fraction(
        self, model: AtomicModel, views: Views, index: int, microscope: Microscope, *, seed: int = 0
    ) -> NDArray[np.float32]:
        """Image `index` of `fractions` alone, (nx, ny), blurred by the source: the mean over the area of each pixel."""
        box = self._plan(model, views, microscope)
        steps = (np.arange(n) * edge / n for n, edge in zip(box.scan, box.edges[:2], strict=True))
        scan = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 2)
        fine = self._mean(model, views.only(index), box, microscope, scan, (seed, index)).reshape(box.scan)
        for axis, n in enumerate(views.image_shape):
            if n * box.oversampling != box.scan[axis]:
                fine = resample(fine, n * box.oversampling, axis=axis)  # in Fourier space: the box is periodic
        image = blur_and_bin(fine, views.pixel_size, box.oversampling, microscope.source_sigma)
        return np.maximum(image, 0)  # interpolation overshoots by a little where there is next to nothing

    def at(
        self,
        model: AtomicModel,
        views: Views,
        index: int,
        microscope: Microscope,
        points: ArrayLike,
        *,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Fractions (m,) of image `index` at `points` (m, 2) [Å] from the rotation centre, with a point source."""
        chosen = np.asarray(points, dtype=np.float64)
        if chosen.ndim != 2 or chosen.shape[1] != 2:
            raise InputError(f"points have shape {chosen.shape}: expected (m, 2) [Å]")
        box = self._plan(model, views, microscope)
        return self._mean(model, views.only(index), box, microscope, chosen + box.centre[:2], (seed, index))

    def _plan(self, model: AtomicModel, views: Views, microscope: Microscope) -> Box:
        return plan_box(
            model, views, microscope, sampling=self.sampling, scan_step=self.scan_step, window=self.least_window
        )

    def _mean(
        self,
        model: AtomicModel,
        view: Views,
        box: Box,
        microscope: Microscope,
        points: NDArray[np.float64],
        name: tuple[int, int],
    ) -> NDArray[np.float64]:
        """Mean over frozen phonons, named by (seed, index of the image), and over the spread of the focus, (m,)."""
        still = view.atoms(model)[0]
        here = np.ones(len(model), dtype=bool) if view.present is None else view.present[0]
        total = np.zeros(len(points))
        if not here.any():
            return total
        foci = [(box.centre[2] + view.focus(0) + offset, weight) for offset, weight in microscope.focal_nodes()]
        sigmas = sigma_of_atoms(self.thermal_sigma, model.numbers)[:, None]
        seed, index = name
        for configuration in range(self.n_phonons):
            keys = (index, configuration) if configuration else (index,)
            motion = generator(seed, "phonons", *keys).normal(size=(len(model), 3))
            moved = view.rotated((still + sigmas * motion)[None, here])[0]
            specimen = Specimen(model.numbers[here], box.place(moved, model.name), box, self.slice_thickness)
            total += self._scan(specimen, points, foci, microscope) / self.n_phonons
        return total


def blur_and_bin(fine: NDArray[np.float64], pixel_size: float, factor: int, sigma: float) -> NDArray[np.float32]:
    """Blur the fine scan by the source (periodic, as the box is) and take the mean over each pixel."""
    blurred = gaussian_filter(fine, sigma * factor / pixel_size, mode="wrap", truncate=6) if sigma > 0 else fine
    nx, ny = fine.shape[0] // factor, fine.shape[1] // factor
    return blurred.reshape(nx, factor, ny, factor).mean(axis=(1, 3)).astype(np.float32)
