"""From expected to recorded electrons: shot noise and the response of the detector."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from pann.core.options import Range
from pann.core.tilt_series import NoiseKind
from pann.simulation.noise.effect import NONE, Effect, Limits, Scene, Values, pick, scalar


@dataclass(frozen=True, kw_only=True)
class Poisson(Effect):
    """Shot noise; without it the expected values are recorded, noise-free."""

    key: ClassVar[str] = "poisson"

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`poisson`, 1 or 0."""
        return {"poisson": scalar(float(self.on))}


@dataclass(frozen=True, kw_only=True)
class Detector(Effect):
    """gain × electrons + offset + Normal(0, read_noise), the same for all images of a series.

    Attributes
    ----------
    gain : values recorded for one electron.
    read_noise : standard deviation in every pixel [values].
    offset : share of the highest expected value of the series.
    """

    key: ClassVar[str] = "detector"
    gain: Annotated[Range, Limits(least=1e-6, most=1e6)] = (1.0, 1.0)
    read_noise: Annotated[Range, Limits(most=1e6)] = NONE
    offset: Annotated[Range, Limits(least=-1, most=1)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`detector_gain`, `detector_read_noise` and `detector_offset`, one number each."""
        return {
            "detector_gain": scalar(pick(rng, self.gain)),
            "detector_read_noise": scalar(pick(rng, self.read_noise)),
            "detector_offset": scalar(pick(rng, self.offset)),
        }


def detected(
    values: Values, expected: NDArray[np.floating], shot: np.random.Generator, readout: np.random.Generator
) -> tuple[NDArray[np.int32] | NDArray[np.float32], NoiseKind]:
    """Images as recorded, and what they hold: whole electrons are counts, anything else is intensity.

    Parameters
    ----------
    values : of `Poisson` and `Detector`.
    expected : electrons, (n_tilts, nx, ny).
    shot, readout : streams of the two kinds of noise.
    """
    poisson = bool(values["poisson"])
    electrons = shot.poisson(expected).astype(np.int32) if poisson else np.asarray(expected, dtype=np.float32)
    gain, read_noise, offset = (float(values[f"detector_{name}"]) for name in ("gain", "read_noise", "offset"))
    if (gain, read_noise, offset) == (1, 0, 0):
        return electrons, "counts" if poisson else "intensity"
    images = np.float32(gain) * electrons.astype(np.float32) + np.float32(offset * float(expected.max()))
    if read_noise > 0:
        images += np.float32(read_noise) * readout.standard_normal(images.shape, dtype=np.float32)
    return images, "intensity"
