"""Errors of the scan: lines that jitter, a beam that returns late, a sample that drifts.

The fast axis of the scan is x, axis 0 of an image, as in abTEM; a scan line is ``image[:, j]``.
"""

from dataclasses import dataclass
from math import exp, sqrt
from typing import Annotated, ClassVar

import numpy as np
from scipy.signal import lfilter

from pann.core.options import Range
from pann.simulation.noise.effect import NONE, Effect, Limits, Scene, Values, pick, scalar

_DRIFT_SPREAD = 0.3
"""How much the drift of a frame differs from that of the series, along each axis and relative to its length."""


@dataclass(frozen=True, kw_only=True)
class Jitter(Effect):
    """Random displacement of every scan line, along and across it.

    A first-order autoregressive process from line to line: its correlation falls to 1/e over `correlation` lines.

    Attributes
    ----------
    rms : standard deviation along each axis [Å].
    correlation : [lines].
    """

    key: ClassVar[str] = "jitter"
    rms: Annotated[Range, Limits(most=10)] = NONE
    correlation: Annotated[Range, Limits(most=1000)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`jitter` (n_tilts, n_lines, 2) [Å]: where the beam is, relative to where it should be."""
        rms, length = pick(rng, self.rms), pick(rng, self.correlation)
        memory = exp(-1 / length) if length > 0 else 0.0
        noise = rng.normal(size=(scene.n_tilts, scene.n_lines, 2))
        # The first line is drawn from the stationary distribution, the others from what is new in them.
        noise[:, 1:] *= sqrt(1 - memory**2)
        return {
            "jitter": rms * lfilter([1.0], [1.0, -memory], noise, axis=1),
            "jitter_correlation": scalar(length),
        }


@dataclass(frozen=True, kw_only=True)
class Flyback(Effect):
    """The beam has not yet come back where a line begins, which stretches the first pixels; the same in all images.

    Attributes
    ----------
    amplitude : distance that is missing at the first pixel [Å].
    share : of a line over which it falls to 1/e.
    """

    key: ClassVar[str] = "flyback"
    amplitude: Annotated[Range, Limits(most=10)] = NONE
    share: Annotated[Range, Limits(most=1)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`flyback_amplitude` [Å] and `flyback_share` of a line, one number each."""
        return {
            "flyback_amplitude": scalar(pick(rng, self.amplitude)),
            "flyback_share": scalar(pick(rng, self.share)),
        }


@dataclass(frozen=True, kw_only=True)
class Drift(Effect):
    """Motion of the sample while an image is scanned; its mean over an image is left to `Shift`.

    Attributes
    ----------
    linear : length of the straight part over one image [Å]. Its direction is that of the series, with some spread.
    walk : rms distance of a random walk over one image along each axis [Å].
    """

    key: ClassVar[str] = "drift"
    linear: Annotated[Range, Limits(most=50)] = NONE
    walk: Annotated[Range, Limits(most=50)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`drift` (n_tilts, n_lines, 2) [Å]: where the sample is, relative to its mean position in the image."""
        length, walk, bearing = pick(rng, self.linear), pick(rng, self.walk), rng.uniform(0, 2 * np.pi)
        common = np.array([np.cos(bearing), np.sin(bearing)])
        straight = length * (common + _DRIFT_SPREAD * rng.normal(size=(scene.n_tilts, 1, 2)))
        time = (np.arange(scene.n_lines) + 0.5)[:, None] / scene.n_lines
        steps = walk / sqrt(scene.n_lines) * rng.normal(size=(scene.n_tilts, scene.n_lines, 2))
        drift = straight * time + np.cumsum(steps, axis=1)
        return {"drift": drift - drift.mean(axis=1, keepdims=True)}
