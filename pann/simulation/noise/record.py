"""From expected fractions to recorded images: dose, background, detector."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import require_positive
from pann.core.errors import InputError
from pann.core.tilt_series import NoiseKind, TiltSeries
from pann.core.units import electrons_per_pixel


def record(
    fractions: ArrayLike,
    angles: ArrayLike,
    pixel_size: float,
    dose: float,
    rng: np.random.Generator,
    *,
    background: ArrayLike = 0.0,
    read_noise: float = 0.0,
    poisson: bool = True,
    name: str = "simulated",
) -> TiltSeries:
    """A tilt series as a detector records it.

    counts ~ Poisson((fraction + background) × dose × pixel area) + Normal(0, read_noise).

    Parameters
    ----------
    fractions : (n_tilts, nx, ny) expected share of the incident electrons.
    angles : nominal angles [deg], as a user would have them.
    pixel_size : [Å].
    dose : [e/Å² per projection].
    background : share of the incident electrons in every pixel, one number or (n_tilts,).
    read_noise : standard deviation of the detector [electrons per pixel]; makes the series `intensity` instead of
        `counts`, since values may be negative.
    poisson : False keeps the expected values.
    """
    require_positive("dose", dose, "e/Å² per projection")
    expected = np.asarray(fractions, dtype=np.float64)
    level = np.asarray(background, dtype=np.float64).reshape(-1, 1, 1)
    if expected.ndim != 3 or np.any(expected < 0) or np.any(level < 0) or read_noise < 0:
        raise InputError("noise: expected (n_tilts, nx, ny) fractions, and no negative fraction, background or noise")
    electrons = (expected + level) * electrons_per_pixel(dose, pixel_size)
    images: NDArray[np.float64] = rng.poisson(electrons).astype(np.float64) if poisson else electrons
    kind: NoiseKind = "counts"
    if read_noise > 0:
        images = images + read_noise * rng.normal(size=images.shape)
        kind = "intensity"
    return TiltSeries(images, angles, pixel_size, kind=kind, dose=dose, name=name)


def jittered_angles(angles: NDArray[np.float64], error: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """True Euler angles (n_tilts, 3) [deg] behind nominal ones: uniform errors within ± `error` on each."""
    return angles + rng.uniform(-error, error, size=angles.shape) if error > 0 else angles.copy()


def image_shifts(n_tilts: int, sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Misalignment (n_tilts, 2) [Å]: independent, with standard deviation `sigma` along each axis."""
    return sigma * rng.normal(size=(n_tilts, 2))
