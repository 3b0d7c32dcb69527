"""One draw of all distortions, and how it turns noise-free fractions into recorded images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import require_positive
from pann.core.errors import InputError
from pann.core.random import generator
from pann.core.tilt_series import NoiseKind
from pann.core.units import electrons_per_pixel
from pann.simulation.noise.background import background_fractions, carbon_texture
from pann.simulation.noise.detector import detected
from pann.simulation.noise.effect import Values
from pann.simulation.noise.warp import warped

MOST_ELECTRONS = 1e9
"""Most electrons that a pixel may expect: counts are stored in 32 bits."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `Distortions.draw` drew for one series.

    Tiers that compute images use `true_angles`, `displacements`, `present` and `defocus`; the linear one also `scale`
    and `saturation`, which stand for channelling. `expected` and `recorded` do the rest.

    Attributes
    ----------
    values : every drawn value by name; see `truth`.
    image_shape : (nx, ny) that the values belong to.
    seed, index : what they were drawn from.
    displacements : (n_tilts, n_atoms, 3) of each atom from its place in the model [Å]; None where none moves.
    present : (n_tilts, n_atoms) whether an atom is there; None where all are.
    defocus : (n_tilts,) [Å]; None where the effect is off.
    """

    values: Values = field(repr=False)
    image_shape: tuple[int, int]
    seed: int
    index: int
    displacements: NDArray[np.float64] | None = field(repr=False)
    present: NDArray[np.bool_] | None = field(repr=False)
    defocus: NDArray[np.float64] | None = field(repr=False)

    @property
    def true_angles(self) -> NDArray[np.float64]:
        """Euler angles of the images (n_tilts, 3) [deg]."""
        return self.values["true_angles"]

    @property
    def scale(self) -> NDArray[np.float64]:
        """Factor on each image (n_tilts,)."""
        return self.values["scale"]

    @property
    def saturation(self) -> float:
        """The b of L / (1 + b L)."""
        return float(self.values["saturation"])

    def distorted(self, fractions: ArrayLike, pixel_size: float) -> NDArray[np.floating]:
        """Fractions (n_tilts, nx, ny) displaced in the plane of the image, without background.

        Parameters
        ----------
        fractions : noise-free share of the incident electrons, (n_tilts, nx, ny).
        pixel_size : [Å].
        """
        return warped(self._checked(fractions), self.values, pixel_size)

    def background(self, fractions: ArrayLike, dose: float, pixel_size: float) -> NDArray[np.float64]:
        """Mean expected electrons per pixel that do not come from the particle, (n_tilts,).

        Parameters
        ----------
        fractions, dose, pixel_size : as for `expected`.
        """
        shares = background_fractions(self.values, float(self._checked(fractions).mean()))
        return shares * electrons_per_pixel(dose, pixel_size)

    def expected(self, fractions: ArrayLike, dose: float, pixel_size: float) -> NDArray[np.floating]:
        """Expected electrons per pixel (n_tilts, nx, ny), in the floating type of `fractions`.

        Parameters
        ----------
        fractions : noise-free share of the incident electrons, (n_tilts, nx, ny).
        dose : [e/Å² per projection].
        pixel_size : [Å].
        """
        require_positive("dose", dose, "e/Å² per projection")
        require_positive("pixel_size", pixel_size, "Å")
        clean = self._checked(fractions)
        images = warped(clean, self.values, pixel_size)
        level = np.float32(self.values["background_share"] * clean.mean())
        carbon = (self.values["carbon_scattering"] * self.values["carbon_path"]).astype(np.float32)[:, None, None]
        if level > 0 or np.any(carbon):
            images = images + (level + carbon * carbon_texture(self.values, self.image_shape, pixel_size))
        return images * clean.dtype.type(electrons_per_pixel(dose, pixel_size))

    def recorded(
        self, expected: ArrayLike, rng: np.random.Generator | int
    ) -> tuple[NDArray[np.int32] | NDArray[np.float32], NoiseKind]:
        """Images (n_tilts, nx, ny) with shot noise as the detector gives them, and their kind.

        Parameters
        ----------
        expected : electrons per pixel, from `expected`.
        rng : a generator, or a seed whose stream for this sample is used. Shot noise and read noise have streams of
            their own.

        Returns
        -------
        Whole electrons (int32) and "counts", or values (float32) and "intensity" where a detector changes them or
        shot noise is off.
        """
        electrons = np.asarray(expected)
        if electrons.ndim != 3 or not electrons.min() >= 0:
            raise InputError("noise: expected (n_tilts, nx, ny) electrons per pixel, none of them negative")
        if electrons.max() > MOST_ELECTRONS:
            raise InputError(
                f"noise: {electrons.max():.2g} electrons in a pixel: at most {MOST_ELECTRONS:g}; lower dose"
            )
        if isinstance(rng, np.random.Generator):
            shot, readout = rng.spawn(2)
        else:
            shot, readout = (generator(rng, "noise", name, self.index) for name in ("shot", "readout"))
        return detected(self.values, electrons, shot, readout)

    def truth(self) -> dict[str, NDArray[Any] | float]:
        """Everything that was drawn, by name: numbers, and small arrays by tilt, by scan line or by changed atom.

        What each holds is said by the `draw` of its effect. Values by scan line (`jitter`, `drift`), the largest part,
        have half precision (float16, better than 0.001 Å up to 2 Å); `values` has them in full.
        """
        named: dict[str, NDArray[Any] | float] = {}
        for name, value in self.values.items():
            if value.ndim == 0:
                named[name] = float(value)
            else:
                named[name] = value.astype(np.float16) if value.ndim == 3 else value
        return named

    def _checked(self, fractions: ArrayLike) -> NDArray[np.floating]:
        array = np.asarray(fractions)
        if not np.issubdtype(array.dtype, np.floating):
            array = array.astype(np.float64)
        shape = (len(self.true_angles), *self.image_shape)
        if array.shape != shape:
            raise InputError(f"noise: fractions have shape {array.shape}: the distortions were drawn for {shape}")
        if not array.min() >= 0:
            raise InputError("noise: fractions must be numbers >= 0")
        return array
