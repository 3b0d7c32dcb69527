"""The light of a particle in its images: cores of the atoms, their halo, a constant for each tilt."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

HALO = 2.0
"""Standard deviation of the part of an atom's light that a probe throws wide [Å]."""
LEAST = 1e-3
"""Least expected value, as a share of the mean image: one stray electron shall not decide."""
FIRST_SHARES = (0.8, 0.15, 0.05)
"""Of the light in the cores, in the halos and in the background, before it is fitted in `STEPS` steps."""
STEPS = 40


@dataclass(frozen=True, eq=False)
class Light:
    """Expected images as a sum.

    Attributes
    ----------
    core : image units per unit of height.
    rest : (n_tilts, nx, ny) expected values without the cores.
    log_likelihood : of the counts, up to a constant.
    """

    core: float
    rest: NDArray[np.float32]
    log_likelihood: float

    @classmethod
    def fit(cls, images: NDArray[np.float32], cores: NDArray[np.float32], halo_width: float) -> Self:
        """The most likely sum, by expectation-maximisation (Shepp and Vardi, IEEE Trans. Med. Imaging 1, 113 (1982)).

        Parameters
        ----------
        images : (n_tilts, nx, ny) counts.
        cores : (n_tilts, nx, ny) images of all atoms as the network sees them, at unit light.
        halo_width : standard deviation [pixels].
        """
        halos = np.stack([gaussian_filter(image, halo_width, mode="constant") for image in cores])
        mean, total = float(images.mean()), max(float(cores.sum()), 1e-12)
        least = LEAST * mean
        core, halo = (share * float(images.sum()) / total for share in FIRST_SHARES[:2])
        flat = np.full((len(images), 1, 1), FIRST_SHARES[2] * mean, np.float32)
        for _ in range(STEPS):
            ratio = images / (core * cores + halo * halos + flat + least)
            core *= float((cores * ratio).sum()) / total
            halo *= float((halos * ratio).sum()) / max(float(halos.sum()), 1e-12)
            flat = flat * ratio.mean(axis=(1, 2), keepdims=True)
        rest = (halo * halos + flat + least).astype(np.float32)
        expected = core * cores + rest
        return cls(core, rest, float((images * np.log(expected) - expected).sum(dtype=np.float64)))
