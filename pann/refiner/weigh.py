"""What the counts say of each candidate atom: the likelihood ratio of the images with it to those without.

A network that meets a crystal it has not seen completes it as those it has: it puts atoms where there are none. The
counts know better. Every candidate is weighed with all others as bright as the images want them, beginning with what
the network thinks of them: a neighbour that takes too much of the light would hide an atom. With y the counts, A the
image of the atom at unit height and μ all the rest, an atom of height a explains them by

    L(a) = Σ y ln(1 + a A / μ) − a A

more than none does. The network has read the same counts, so L is not added to its own odds as it is, but with a share
learnt on validation samples, see `pann.refiner.odds`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array
from scipy.special import logsumexp

from pann.core.atom_images import image_of_atoms
from pann.core.geometry import project_positions
from pann.core.progress import progress_bar
from pann.core.tilt_series import TiltSeries
from pann.refiner.light import HALO, Light

HEIGHTS = np.geomspace(0.04, 4.0, 20)
"""Heights of atoms that are tried, relative to the mean atom of the particle."""
WIDTHS = (0.36, 0.42, 0.48, 0.56, 0.66)
"""Standard deviations of an atom in the images that are tried [Å]."""
HEIGHT_STEPS = 15
"""Steps by which the heights of all candidates follow the images."""
HEIGHT_PRIOR = 2.0
"""Counts that the network's heights are worth beside those of the images."""
WIDTH_TILTS = 8
"""Images by which the width is chosen."""
SCALES = 25
"""Values of the mean scattering power of the particle that are tried, between those of its elements."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """The likelihood of every candidate.

    Attributes
    ----------
    gains : (n, len(HEIGHTS)) log-likelihood ratio of an atom of each of `HEIGHTS` to none.
    presence : (n,) of the candidates, in 0 ... 1.
    """

    gains: NDArray[np.float64]
    presence: NDArray[np.float64]

    def evidence(self, heights: ArrayLike) -> NDArray[np.float64]:
        """Log-likelihood ratio (n,) of an atom of one of the elements, as likely each, to none.

        `heights` (k,) are those of the elements, relative to the mean atom.
        """
        each = [
            np.array([np.interp(np.log(height), np.log(HEIGHTS), row) for row in self.gains])
            for height in np.clip(heights, HEIGHTS[0], HEIGHTS[-1])
        ]
        ratio: NDArray[np.float64] = logsumexp(each, axis=0) - np.log(len(each))
        return ratio

    def heights_of(self, powers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heights (k,) of elements of scattering `powers` (k,) relative to the mean atom.

        How much of each element there is, the images must tell: the mean power is the most likely one.
        """
        means = np.geomspace(powers.min(), powers.max(), SCALES if len(powers) > 1 else 1)
        likelihoods = [float(self.presence @ self.evidence(powers / mean)) for mean in means]
        return powers / means[int(np.argmax(likelihoods))]


def weigh(
    series: TiltSeries, positions: ArrayLike, presence: ArrayLike, heights: ArrayLike, progress: bool = False
) -> Weighed:
    """Weigh candidates by the counts of `series`.

    Parameters
    ----------
    series : counts.
    positions : (n, 3) of the candidates [Å].
    presence : (n,) what the network thinks of each, about the probability that it exists.
    heights : (n,) of each, should it exist, relative to the mean atom of the particle.
    progress : show a bar.
    """
    counts = np.maximum(series.images, 0).astype(np.float32)
    places = project_positions(positions, series.angles) / series.pixel_size
    chance = np.clip(np.asarray(presence, dtype=np.float64), 0.01, 1.0)
    expected = (chance * np.clip(heights, HEIGHTS[0], HEIGHTS[-1])).astype(np.float32)
    shape, pixel = series.image_shape, series.pixel_size

    def light_of(tilts: NDArray[np.int64], width: float, expected: NDArray[np.float32]) -> Light:
        cores = [image_of_atoms(places[tilt], shape, width / pixel) @ expected for tilt in tilts]
        return Light.fit(counts[tilts], np.stack(cores).reshape(-1, *shape), HALO / pixel)

    few = np.unique(np.linspace(0, series.n_tilts - 1, min(WIDTH_TILTS, series.n_tilts)).round().astype(np.int64))
    width = max(WIDTHS, key=lambda trial: light_of(few, trial, expected).log_likelihood)
    every = np.arange(series.n_tilts)
    drawn = [csc_array(image_of_atoms(place, shape, width / pixel)) for place in places]
    expected = _as_bright_as_seen(drawn, counts, light_of(every, width, expected), expected)
    light = light_of(every, width, expected)
    gains = np.zeros((len(HEIGHTS), len(chance)))
    with progress_bar("Weighing candidates", series.n_tilts, progress) as bar:
        for atoms, image, rest in zip(drawn, counts, light.rest, strict=True):
            gains += _gains_in(atoms, image.ravel(), rest.ravel(), expected, light.core)
            bar.advance()
    return Weighed(gains.T, chance)


def _as_bright_as_seen(
    drawn: Sequence[csc_array], counts: NDArray[np.float32], light: Light, expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The likely heights (n,) of all candidates together, by expectation-maximisation from `expected` (n,) on.

    The prior of each is a Gamma distribution whose mode is `expected` and whose shape is `HEIGHT_PRIOR` + 1.

    Parameters
    ----------
    drawn : (pixels, n) images of the candidates, for each tilt.
    counts : (n_tilts, nx, ny).
    """
    heights = expected.astype(np.float64)
    whole = light.core * sum(np.asarray(atoms.sum(axis=0), np.float64).ravel() for atoms in drawn)
    for _ in range(HEIGHT_STEPS):
        asked = np.zeros(len(heights))
        for atoms, image, rest in zip(drawn, counts, light.rest, strict=True):
            asked += light.core * (atoms.T @ (image.ravel() / (light.core * (atoms @ heights) + rest.ravel())))
        heights = (heights * asked + HEIGHT_PRIOR) / (whole + HEIGHT_PRIOR / expected)
    return heights.astype(np.float32)


def _gains_in(
    atoms: csc_array,
    counts: NDArray[np.float32],
    rest: NDArray[np.float32],
    expected: NDArray[np.float32],
    core: float,
) -> NDArray[np.float64]:
    """L of every atom at each of `HEIGHTS` (k, n) in one image.

    Parameters
    ----------
    atoms : (pixels, n) images of the atoms.
    counts, rest : (pixels,) measured values, and those expected without the atoms' cores.
    expected : (n,) height of each times its probability.
    core : image units per unit of height.
    """
    each = core * atoms.data
    pixel = atoms.indices
    total = core * (atoms @ expected) + rest
    without = total[pixel] - each * np.repeat(expected, np.diff(atoms.indptr))
    without = np.maximum(without, rest[pixel])
    measured = counts[pixel]
    rows = []
    for height in HEIGHTS.astype(np.float32):
        light = height * each
        terms = measured * np.log1p(light / without) - light
        rows.append(np.asarray(csc_array((terms, pixel, atoms.indptr), shape=atoms.shape).sum(axis=0)))
    return np.stack(rows).astype(np.float64)
