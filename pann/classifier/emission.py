"""Intensities of atoms from the images, their positions given: maximum likelihood by expectation-maximisation.

A volume smears an atom along the missing wedge and into its neighbours; the counts themselves do not. With A the image
of each atom at unit intensity, y the counts and b the background, the intensities λ that maximise the Poisson
likelihood are the limit of λ ← λ Aᵀ(y / (A λ + b)) / Aᵀ1 (Shepp and Vardi, IEEE Trans. Med. Imaging 1 (1982) 113), the
iteration of Richardson and Lucy with atoms in place of voxels. An atom is a Gaussian, whose width is chosen by the
likelihood of some of the images.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from pann.core.atom_images import image_of_atoms
from pann.core.geometry import project_positions
from pann.core.tilt_series import TiltSeries

WIDTHS = (0.36, 0.43, 0.52, 0.62, 0.75)
"""Standard deviations of an atom in the images that are tried [Å]."""
_WIDTH_TILTS, _WIDTH_STEPS = 8, 3
_STEPS = 15
_DARK = 1e-3
"""Least background, as a share of the mean image: one stray electron shall not decide."""


@dataclass(frozen=True, eq=False)
class ImageIntensities:
    """What the images say of each atom.

    Attributes
    ----------
    values : (n,) intensity, the sum over all its pixels in one image [image units].
    sigma : (n,) standard deviation by the Fisher information of each atom alone, its neighbours known [image units].
    width : of an atom in the images [Å].
    """

    values: NDArray[np.float64]
    sigma: NDArray[np.float64]
    width: float


def image_intensities(
    series: TiltSeries, positions: NDArray[np.float64], background: NDArray[np.floating] | None = None
) -> ImageIntensities:
    """Most likely intensities of atoms at `positions` (n, 3) [Å] in `series`.

    Parameters
    ----------
    background : (n_tilts,) or (n_tilts, nx, ny) [image units per pixel]; None for none.
    """
    images = np.maximum(series.images, 0.0).astype(np.float32)
    rest = np.zeros(series.n_tilts) if background is None else np.asarray(background, dtype=np.float64)
    rest = rest[:, None, None] if rest.ndim == 1 else rest
    dark = np.broadcast_to(np.maximum(rest, _DARK * float(images.mean())), images.shape).astype(np.float32)
    few = np.unique(np.linspace(0, series.n_tilts - 1, min(_WIDTH_TILTS, series.n_tilts)).round().astype(int))
    trials = {width: _Fit.of(series, few, positions, width, images, dark).run(_WIDTH_STEPS) for width in WIDTHS}
    width = max(WIDTHS, key=lambda trial: trials[trial].log_likelihood)
    whole = _Fit.of(series, np.arange(series.n_tilts), positions, width, images, dark).run(_STEPS)
    sigma = 1 / np.sqrt(np.maximum(whole.information(), np.finfo(np.float32).tiny))
    if series.kind != "counts":  # in other units the variance is not the mean, but taken as proportional to it
        sigma *= sqrt(whole.dispersion)
    return ImageIntensities(whole.intensity.astype(np.float64), sigma.astype(np.float64), width)


@dataclass(eq=False)
class _Fit:
    """Images as a linear map of the intensities, and the intensities so far."""

    atoms: csr_array
    counts: NDArray[np.float32]
    dark: NDArray[np.float32]
    intensity: NDArray[np.float32]
    whole: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        series: TiltSeries,
        tilts: NDArray[np.int64],
        positions: NDArray[np.float64],
        width: float,
        images: NDArray[np.float32],
        dark: NDArray[np.float32],
    ) -> "_Fit":
        """All atoms alike, as bright as the images ask for, in the images `tilts`."""
        places = project_positions(positions, series.angles[tilts]) / series.pixel_size
        spread = width / series.pixel_size
        atoms = vstack([image_of_atoms(place, series.image_shape, spread) for place in places], format="csr")
        counts, background = images[tilts].ravel(), dark[tilts].ravel()
        whole = np.asarray(atoms.sum(axis=0), dtype=np.float32).ravel()
        mean = max(float((counts - background).sum()), 0.01 * float(counts.sum())) / max(float(whole.sum()), 1e-6)
        return cls(atoms, counts, background, np.full(len(positions), mean, dtype=np.float32), whole)

    @property
    def expected(self) -> NDArray[np.float32]:
        """Images of all atoms with their background."""
        return self.atoms @ self.intensity + self.dark

    def run(self, steps: int) -> "_Fit":
        """Take `steps` steps of the iteration."""
        for _ in range(steps):
            self.intensity = self.intensity * (self.atoms.T @ (self.counts / self.expected)) / (self.whole + 1e-6)
        return self

    @property
    def log_likelihood(self) -> float:
        """Of the counts, up to a constant."""
        expected = self.expected
        return float((self.counts * np.log(expected) - expected).sum(dtype=np.float64))

    @property
    def dispersion(self) -> float:
        """Mean square residual over the expected value."""
        expected = self.expected
        return float(((self.counts - expected) ** 2 / expected).mean(dtype=np.float64))

    def information(self) -> NDArray[np.float32]:
        """Fisher information (n,) of each intensity, the others known."""
        squares = self.atoms.copy()
        squares.data = squares.data**2
        return squares.T @ (1 / self.expected)
