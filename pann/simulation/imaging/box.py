"""The periodic box of a scattering calculation, and the checks of what would give silently wrong images."""

import warnings
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope

VACUUM = 2.0
"""Free space [Å] above and below the particle in the box, and the least one at its sides."""


@dataclass(frozen=True)
class Box:
    """The box of one tilt series: the images fill it in x and y.

    Attributes
    ----------
    edges : [Å] along x, y and the beam.
    gpts : points of the waves along x and y, products of 2, 3, 5 and 7.
    factors : windows of PRISM along each edge, which divide `gpts`.
    oversampling : points per pixel along each axis of the fine grid that is blurred and binned.
    scan : scan points along x and y, not more than there are on the fine grid.
    centre : (3,) the rotation centre in the box [Å]: the fine grid lies symmetrically about the centres of pixels.
    """

    edges: tuple[float, float, float]
    gpts: tuple[int, int]
    factors: tuple[int, int]
    oversampling: int
    scan: tuple[int, int]
    centre: NDArray[np.float64]

    def place(self, points: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """`points` (n_atoms, 3) [Å] about the rotation centre as positions in the box; none may lie outside."""
        placed = points + self.centre
        if np.any(placed < 0) or np.any(placed >= self.edges):
            raise InputError(
                f"{name}: thermal motion moves atoms out of the box: lower thermal_sigma or take larger images"
            )
        return placed


def plan_box(
    model: AtomicModel,
    views: Views,
    microscope: Microscope,
    *,
    sampling: float,
    scan_step: float | None,
    window: float | None = None,
) -> Box:
    """The box of a series; the same for each of its images.

    Parameters
    ----------
    sampling : coarsest sampling of the waves [Å].
    scan_step : largest scan step before blurring and binning [Å]; None takes `Microscope.scan_step`.
    window : least width [Å] of the part of the box that one probe sees; None is the box.

    Raises
    ------
    InputError : atoms that leave the box, or a detector beyond 2/3 of the Nyquist angle.
    """
    views.require_fit(model)
    lateral = views.extent
    radius = float(np.linalg.norm(views.atoms(model), axis=2).max())
    if radius + VACUUM > min(lateral) / 2:
        raise InputError(
            f"{model.name}: atoms reach {radius:.1f} Å from the rotation centre but the images are only "
            f"{min(lateral):.1f} Å wide: they need {2 * (radius + VACUUM):.1f} Å, take more or larger pixels"
        )
    factors = [1 if window is None else max(1, int(edge // window)) for edge in lateral]
    gpts = [smooth_size(ceil(edge / sampling - 1e-9), f) for edge, f in zip(lateral, factors, strict=True)]
    coarsest = max(edge / n for edge, n in zip(lateral, gpts, strict=True))
    if coarsest > microscope.sampling_limit * (1 + 1e-9):
        raise InputError(
            f"the detector reaches {microscope.outer:.0f} mrad but a sampling of {coarsest:.4f} Å carries only "
            f"{microscope.outer * microscope.sampling_limit / coarsest:.0f} mrad (2/3 of Nyquist): "
            f"set sampling to at most {microscope.sampling_limit:.4f} Å"
        )
    # 5 % beyond Nyquist is harmless: the transfer function of an ADF image is nearly zero there.
    fine_step = 1.05 * microscope.nyquist_step if scan_step is None else scan_step
    oversampling = max(1, ceil(views.pixel_size / fine_step - 1e-9))
    if views.pixel_size / oversampling > 1.06 * microscope.nyquist_step:
        warnings.warn(
            f"scan step {views.pixel_size / oversampling:.2f} Å is above the Nyquist step "
            f"{microscope.nyquist_step:.2f} Å: the images are aliased",
            stacklevel=4,
        )
    height = 2 * (radius + VACUUM)
    centring = 0.5 * (oversampling - 1) / oversampling * views.pixel_size
    centre = np.array([n // 2 * views.pixel_size + centring for n in views.image_shape] + [height / 2])
    scan = [n * oversampling for n in views.image_shape]
    if scan_step is None:
        step = 1.05 * microscope.scan_step
        scan = [min(n, ceil(edge / step - 1e-9)) for n, edge in zip(scan, lateral, strict=True)]
    return Box(
        edges=(lateral[0], lateral[1], height),
        gpts=(gpts[0], gpts[1]),
        factors=(factors[0], factors[1]),
        oversampling=oversampling,
        scan=(scan[0], scan[1]),
        centre=centre,
    )
