"""Tier `prism`: frozen-phonon PRISM images by abTEM.

PRISM (Ophus, Advanced Structural and Chemical Imaging 3, 13, 2017) propagates plane waves instead of probes; its
interpolation factor crops every probe to a window. Against multislice a window of 8.5 Å costs R = 2 %.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from pann.core.atomic_model import AtomicModel
from pann.core.elements import UNKNOWN
from pann.core.errors import InputError
from pann.core.geometry import as_euler_angles, rotation_matrices
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.microscope import Microscope

VACUUM = 2.0
"""Free space [Å] above and below the particle in the box, and the least one at its sides."""


@dataclass(frozen=True)
class PrismOptions:
    """Numerical parameters of PRISM.

    Attributes
    ----------
    sampling : coarsest sampling of the wave functions [Å]; the usable scattering angle is λ / (3 sampling).
    window : least width of the window that a probe sees [Å].
    slice_thickness : [Å].
    thermal_sigma : rms displacement of the atoms along one axis [Å], one number or one by atomic number.
    scan_step : largest scan step before blurring and binning [Å]; None takes the Nyquist step of the probe.
    device : "cpu" or "gpu" (needs cupy).
    """

    sampling: float = 0.066
    window: float = 8.0
    slice_thickness: float = 2.0
    thermal_sigma: float | Mapping[int, float] = 0.07
    scan_step: float | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class _Grid:
    """The box of one tilt series: the images fill it in x and y."""

    box: tuple[float, float, float]
    gpts: tuple[int, int]
    interpolation: tuple[int, int]
    oversampling: int


def _plan(
    model: AtomicModel, image_shape: tuple[int, int], pixel_size: float, microscope: Microscope, options: PrismOptions
) -> _Grid:
    """Choose the grid of a series and refuse what would give silently wrong images."""
    if len(model) == 0 or np.any(model.numbers == UNKNOWN):
        raise InputError(f"{model.name}: PRISM needs at least one atom, and the element of every atom")
    lateral = tuple(n * pixel_size for n in image_shape)
    radius = float(np.linalg.norm(model.positions, axis=1).max())
    if radius + VACUUM > min(lateral) / 2:
        raise InputError(
            f"{model.name}: atoms reach {radius:.1f} Å from the rotation centre but the images are only "
            f"{min(lateral):.1f} Å wide: they need {2 * (radius + VACUUM):.1f} Å, take more or larger pixels"
        )
    factors = tuple(max(1, int(edge // options.window)) for edge in lateral)
    gpts = tuple(
        smooth_size(ceil(edge / options.sampling - 1e-9), factor) for edge, factor in zip(lateral, factors, strict=True)
    )
    coarsest = max(edge / n for edge, n in zip(lateral, gpts, strict=True))
    if coarsest > microscope.sampling_limit * (1 + 1e-9):
        raise InputError(
            f"the detector reaches {microscope.outer:.0f} mrad but a sampling of {coarsest:.4f} Å carries only "
            f"{microscope.outer * microscope.sampling_limit / coarsest:.0f} mrad (2/3 of Nyquist): "
            f"set sampling to at most {microscope.sampling_limit:.4f} Å"
        )
    # 5 % beyond Nyquist is harmless: the transfer function of an ADF image is nearly zero there.
    step = 1.05 * microscope.nyquist_step if options.scan_step is None else options.scan_step
    oversampling = max(1, ceil(pixel_size / step - 1e-9))
    if pixel_size / oversampling > 1.06 * microscope.nyquist_step:
        warnings.warn(
            f"scan step {pixel_size / oversampling:.2f} Å is above the Nyquist step {microscope.nyquist_step:.2f} Å: "
            "the images are aliased",
            stacklevel=3,
        )
    height = 2 * (radius + VACUUM)
    return _Grid((lateral[0], lateral[1], height), (gpts[0], gpts[1]), (factors[0], factors[1]), oversampling)


def prism_projection(
    model: AtomicModel,
    angles: ArrayLike,
    image_shape: tuple[int, int],
    pixel_size: float,
    microscope: Microscope,
    *,
    options: PrismOptions | None = None,
    seed: int = 0,
    index: int = 0,
) -> NDArray[np.float32]:
    """One image: expected fraction of the incident electrons on the detector, per pixel.

    Parameters
    ----------
    model : positions [Å] about the rotation centre, with elements.
    angles : (3,) Euler angles (phi, theta, psi) [deg].
    image_shape : (nx, ny) pixels; the images are the whole (periodic) box.
    pixel_size : [Å].
    seed, index : name the thermal displacements of this projection.

    Returns
    -------
    (nx, ny) float32: mean over the area of each pixel, blurred by the source.

    Raises
    ------
    InputError : atoms that leave the box, or a detector beyond 2/3 of the Nyquist angle.
    """
    import dask
    from abtem import CTF, AnnularDetector, GridScan, Potential, SMatrix
    from abtem import config as abtem_config
    from ase import Atoms

    options = options or PrismOptions()
    grid = _plan(model, image_shape, pixel_size, microscope, options)
    rotation = rotation_matrices(np.reshape(angles, (1, 3)))[0]
    thermal = options.thermal_sigma
    sigmas = np.array([thermal[int(z)] if isinstance(thermal, Mapping) else thermal for z in model.numbers])
    moved = model.positions + sigmas[:, None] * generator(seed, "phonons", index).normal(size=(len(model), 3))
    # Scan points k, k + 1, ... of one pixel lie symmetrically about its centre.
    centring = 0.5 * (grid.oversampling - 1) / grid.oversampling * pixel_size
    centre = np.array([n // 2 * pixel_size + centring for n in image_shape] + [grid.box[2] / 2])
    placed = moved @ rotation.T + centre
    if np.any(placed < 0) or np.any(placed >= grid.box):
        raise InputError(f"{model.name}: thermal motion moves atoms out of the box: lower thermal_sigma")
    atoms = Atoms(numbers=model.numbers, positions=placed, cell=grid.box, pbc=True)
    settings = {"dask.lazy": False, "device": options.device, "diagnostics.progress_bar": False}
    with abtem_config.set(settings), dask.config.set(scheduler="synchronous"):
        potential = Potential(atoms, gpts=grid.gpts, slice_thickness=options.slice_thickness, projection="infinite")
        built: Any = potential.build(lazy=False)
        waves = SMatrix(
            semiangle_cutoff=microscope.semiangle,
            energy=microscope.energy,
            potential=built,
            interpolation=grid.interpolation,
            downsample="cutoff",
        ).build(lazy=False)
        # abTEM puts the crossover `defocus` below the entrance surface: the middle of the particle is in focus.
        ctf = CTF(semiangle_cutoff=microscope.semiangle, energy=microscope.energy, defocus=grid.box[2] / 2)
        scan = GridScan(
            start=(0, 0),
            end=grid.box[:2],
            gpts=(image_shape[0] * grid.oversampling, image_shape[1] * grid.oversampling),
            endpoint=False,
        )
        detector = AnnularDetector(inner=microscope.inner, outer=microscope.outer)
        image: Any = waves.reduce(scan=scan, detectors=detector, ctf=ctf, max_batch_reduction=64)
        values = image.to_cpu().array
    return _blur_and_bin(np.asarray(values, dtype=np.float32), pixel_size, grid.oversampling, microscope.source_sigma)


def _blur_and_bin(fine: NDArray[np.float32], pixel_size: float, factor: int, sigma: float) -> NDArray[np.float32]:
    """Blur the fine scan by the source (periodic, as the box is) and take the mean over each pixel."""
    blurred = gaussian_filter(fine, sigma * factor / pixel_size, mode="wrap", truncate=6) if sigma > 0 else fine
    nx, ny = fine.shape[0] // factor, fine.shape[1] // factor
    return blurred.reshape(nx, factor, ny, factor).mean(axis=(1, 3)).astype(np.float32)


def simulate_prism(
    model: AtomicModel,
    angles: ArrayLike,
    image_shape: tuple[int, int],
    pixel_size: float,
    microscope: Microscope,
    *,
    options: PrismOptions | None = None,
    seed: int = 0,
    progress: bool = False,
) -> NDArray[np.float32]:
    """Expected fraction per pixel (n_tilts, nx, ny) of a whole series, one phonon configuration per tilt.

    See `prism_projection`; some 30 s per image of a 600-atom particle on one core.
    """
    euler = as_euler_angles(angles)
    images = []
    with progress_bar("PRISM", len(euler), enabled=progress) as bar:
        for index, tilt in enumerate(euler):
            images.append(
                prism_projection(
                    model, tilt, image_shape, pixel_size, microscope, options=options, seed=seed, index=index
                )
            )
            bar.advance(status=f"theta {tilt[1]:.1f}°")
    return np.stack(images)
