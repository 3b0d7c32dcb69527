"""Small simulated particles for the tests of the fit, drawn by dense Gaussians and not by the package's renderer."""

import numpy as np

from pann.core import AtomicModel, PointSpread, TiltSeries
from pann.core.geometry import pixel_coordinates, project_positions
from pann.core.random import generator


def particle(n_atoms: int, spacing: float = 2.6, seed: int = 0) -> np.ndarray:
    """(n_atoms, 3) [Å]: the atoms nearest to the centre of a rotated, disordered cubic lattice."""
    rng = generator(seed, "particle")
    axis = np.arange(-6, 7) * spacing
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    lattice = (lattice + rng.normal(scale=0.12, size=lattice.shape)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return lattice[np.argsort((lattice**2).sum(1))[:n_atoms]]


def dense_images(positions, intensities, angles, shape, pixel_size, psf: PointSpread) -> np.ndarray:
    """Images (n_tilts, nx, ny) of Gaussian atoms, every atom on every pixel."""
    x, y = (pixel_coordinates(n, pixel_size) for n in shape)
    images = np.zeros((len(angles), *shape))
    for k, centres in enumerate(project_positions(positions, angles)):
        for sigma, weight in zip(psf.sigmas, psf.weights, strict=True):
            along_x = np.exp(-((x[:, None] - centres[:, 0]) ** 2) / (2 * sigma**2))
            along_y = np.exp(-((y[:, None] - centres[:, 1]) ** 2) / (2 * sigma**2))
            scale = weight * pixel_size**2 / (2 * np.pi * sigma**2)
            images[k] += scale * (along_x * intensities) @ along_y.T
    return images


def series_of(
    positions,
    intensities,
    *,
    n_tilts: int = 15,
    size: int = 40,
    pixel_size: float = 0.4,
    psf: PointSpread | None = None,
    background: float = 0.3,
    seed: int = 0,
    noise: float | None = None,
) -> TiltSeries:
    """A series over ±70°: Poisson counts, or images with Gaussian `noise`."""
    angles = np.linspace(-70, 70, n_tilts)
    psf = PointSpread((0.4,)) if psf is None else psf
    images = background + dense_images(positions, intensities, angles, (size, size), pixel_size, psf)
    rng = generator(seed, "noise")
    if noise is None:
        return TiltSeries(rng.poisson(images), angles, pixel_size)
    return TiltSeries(images + rng.normal(scale=noise, size=images.shape), angles, pixel_size, kind="intensity")


def displaced(positions, sigma: float, seed: int = 0) -> AtomicModel:
    """A start with errors of `sigma` [Å] in each coordinate."""
    return AtomicModel(positions + generator(seed, "start").normal(scale=sigma, size=positions.shape))


def rmsd_pm(found, true) -> float:
    """3D RMSD [pm] of atoms listed in the same order."""
    return float(100 * np.sqrt(((found - true) ** 2).sum(1).mean()))
