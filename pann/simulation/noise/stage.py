"""Errors of the stage and of the optics that differ from image to image: angles, position, size, focus, brightness."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from pann.core.options import Range
from pann.simulation.noise.effect import NONE, Effect, Limits, Scene, Values, pick, scalar


@dataclass(frozen=True, kw_only=True)
class TiltError(Effect):
    """Errors of the three Euler angles, independent in every image.

    Attributes
    ----------
    phi, theta, psi : largest error [deg], itself drawn once; errors are uniform up to it in both directions.
    """

    key: ClassVar[str] = "tilt_error"
    phi: Annotated[Range, Limits(most=45)] = NONE
    theta: Annotated[Range, Limits(most=45)] = NONE
    psi: Annotated[Range, Limits(most=45)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`true_angles` (n_tilts, 3) [deg]."""
        largest = np.array([pick(rng, limits) for limits in (self.phi, self.theta, self.psi)])
        return {"true_angles": scene.angles + largest * rng.uniform(-1, 1, size=scene.angles.shape)}


@dataclass(frozen=True, kw_only=True)
class Shift(Effect):
    """Misalignment that the alignment left.

    Attributes
    ----------
    rms : standard deviation along each axis [Å].
    """

    key: ClassVar[str] = "shift"
    rms: Annotated[Range, Limits(most=100)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`shift` (n_tilts, 2) [Å]: where the particle lies, relative to where it should."""
        return {"shift": pick(rng, self.rms) * rng.normal(size=(scene.n_tilts, 2))}


@dataclass(frozen=True, kw_only=True)
class Magnification(Effect):
    """Errors of the magnification, independent in every image.

    Attributes
    ----------
    error : largest relative error; errors are uniform up to it in both directions.
    """

    key: ClassVar[str] = "magnification"
    error: Annotated[Range, Limits(most=0.2)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`magnification` (n_tilts,), 1 where there is no error."""
        return {"magnification": 1 + pick(rng, self.error) * rng.uniform(-1, 1, size=scene.n_tilts)}


@dataclass(frozen=True, kw_only=True)
class Rotation(Effect):
    """Rotation of the images in their plane, anticlockwise from x to y.

    Attributes
    ----------
    axis : largest misorientation of the tilt axis [deg], common to all images.
    error : largest error [deg] of each image beside it.
    """

    key: ClassVar[str] = "rotation"
    axis: Annotated[Range, Limits(most=45)] = NONE
    error: Annotated[Range, Limits(most=45)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`rotation` (n_tilts,) [deg]."""
        common = pick(rng, self.axis) * rng.uniform(-1, 1)
        return {"rotation": common + pick(rng, self.error) * rng.uniform(-1, 1, size=scene.n_tilts)}


@dataclass(frozen=True, kw_only=True)
class Defocus(Effect):
    """Distance of the focus from the middle of the particle.

    Attributes
    ----------
    offset : common to all images, of either sign [Å].
    error : largest difference of an image from it [Å].
    """

    key: ClassVar[str] = "defocus"
    offset: Annotated[Range, Limits(least=-10_000, most=10_000)] = NONE
    error: Annotated[Range, Limits(most=10_000)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`defocus` (n_tilts,) [Å]."""
        return {"defocus": pick(rng, self.offset) + pick(rng, self.error) * rng.uniform(-1, 1, size=scene.n_tilts)}


@dataclass(frozen=True, kw_only=True)
class Scale(Effect):
    """A factor on each image: how much channelling changes the whole signal of a tilt.

    Attributes
    ----------
    spread : standard deviation of the factor; factors stay within 0.5 and 1.5.
    """

    key: ClassVar[str] = "scale"
    spread: Annotated[Range, Limits(most=0.5)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`scale` (n_tilts,)."""
        factors = 1 + pick(rng, self.spread) * rng.normal(size=scene.n_tilts)
        return {"scale": np.clip(factors, 0.5, 1.5)}


@dataclass(frozen=True, kw_only=True)
class Saturation(Effect):
    """Loss of contrast in thick crystals, L -> L / (1 + b L) with L the fraction of a sum of atoms.

    Attributes
    ----------
    b : 0 to 9 imitates crystals up to 6 nm thick.
    """

    key: ClassVar[str] = "saturation"
    b: Annotated[Range, Limits(most=100)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`saturation`, one number."""
        return {"saturation": scalar(pick(rng, self.b))}
