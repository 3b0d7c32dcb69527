"""What scatters besides the particle: a constant background, and a carbon film that grows."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from pann.core.geometry import rotation_matrices
from pann.core.options import Range
from pann.core.random import generator
from pann.simulation.noise.effect import NONE, Effect, Limits, Scene, Values, pick, scalar

LONGEST_PATH = 5.0
"""Longest way through the film in units of its thickness (a tilt of 78°): a film does not reach without end."""


@dataclass(frozen=True, kw_only=True)
class Background(Effect):
    """A constant in every pixel of every image, such as scattering in the detector or a dark level.

    Attributes
    ----------
    share : of the mean fraction of the noise-free series.
    """

    key: ClassVar[str] = "background"
    share: Annotated[Range, Limits(most=100)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`background_share`, one number."""
        return {"background_share": scalar(pick(rng, self.share))}


@dataclass(frozen=True, kw_only=True)
class Carbon(Effect):
    """An amorphous film normal to the beam at zero tilt, with contamination that grows during the series.

    The path through it is its thickness / cos(tilt), at most `LONGEST_PATH` thicknesses. Its texture is Gaussian
    low-pass noise, another one in every image, since a tilted film shows another projection of its atoms.

    Attributes
    ----------
    thickness : when the series begins [Å].
    growth : of the thickness until the series ends, as a share of it.
    scattering : share of the incident electrons that 1 Å of carbon sends onto the detector [1/Å]: 0.1 atoms/Å³ times
        the cross-section of carbon.
    roughness : standard deviation of the texture relative to its mean.
    correlation : standard deviation of the Gaussians that make up the texture [Å].
    """

    key: ClassVar[str] = "carbon"
    thickness: Annotated[Range, Limits(most=10_000)] = NONE
    growth: Annotated[Range, Limits(most=100)] = NONE
    scattering: Annotated[Range, Limits(most=0.1)] = NONE
    roughness: Annotated[Range, Limits(most=1)] = NONE
    correlation: Annotated[Range, Limits(most=1000)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`carbon_path` (n_tilts,) along the beam [Å]; `carbon_scattering`, `_roughness`, `_correlation`, `_seed`."""
        thickness = pick(rng, self.thickness) * (1 + pick(rng, self.growth) * scene.progress)
        cosine = np.abs(rotation_matrices(scene.angles)[:, 2, 2])
        return {
            "carbon_path": thickness / np.maximum(cosine, 1 / LONGEST_PATH),
            "carbon_scattering": scalar(pick(rng, self.scattering)),
            "carbon_roughness": scalar(pick(rng, self.roughness)),
            "carbon_correlation": scalar(pick(rng, self.correlation)),
            "carbon_seed": np.asarray(rng.integers(2**31)),
        }


def background_fractions(values: Values, mean_fraction: float) -> NDArray[np.float64]:
    """Mean share of the incident electrons in each pixel that does not come from the particle, (n_tilts,)."""
    return values["background_share"] * mean_fraction + values["carbon_scattering"] * values["carbon_path"]


def carbon_texture(values: Values, image_shape: tuple[int, int], pixel_size: float) -> NDArray[np.float32] | float:
    """Local thickness of the film relative to its mean, (n_tilts, nx, ny), never below zero; 1.0 for a smooth film."""
    roughness, correlation = float(values["carbon_roughness"]), float(values["carbon_correlation"])
    n_tilts = len(values["carbon_path"])
    if roughness == 0 or not np.any(values["carbon_path"]):
        return 1.0
    rng = generator(int(values["carbon_seed"]), "texture")
    along_x, along_y = (_smoothing(n, pixel_size, correlation) for n in image_shape)
    coarse = rng.standard_normal((n_tilts, along_x.shape[1], along_y.shape[1]), dtype=np.float32)
    return np.maximum(1 + roughness * (along_x @ coarse @ along_y.T), 0)


def _smoothing(n: int, pixel_size: float, correlation: float) -> NDArray[np.float32]:
    """Weights (n, n_knots) of white noise on knots that make noise of unit variance with Gaussian correlation."""
    sigma = max(correlation, pixel_size)
    knots = np.arange(-3 * sigma, n * pixel_size + 3 * sigma, sigma)
    weights = np.exp(-0.5 * ((np.arange(n)[:, None] * pixel_size - knots) / sigma) ** 2)
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)
