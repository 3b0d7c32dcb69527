"""Charts of a run, as matplotlib figures for the report page and for notebooks."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from pann.core.atomic_model import AtomicModel
from pann.core.tilt_series import TiltSeries
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.report.theme import ACCENT, CONTRAST, element_colour, element_name, elements_present, finish, new_figure

FAR = 1.6
"""Distances beyond this multiple of their median are drawn there: isolated atoms would flatten the histogram."""
_MAX_BINS = 60


def r_factor_figure(series: TiltSeries, before: ArrayLike | None = None, after: ArrayLike | None = None) -> Figure:
    """R-factor of each tilt against its angle, before and after the fit.

    Parameters
    ----------
    series : gives the tilt angles.
    before, after : (n_tilts,) R-factors; either may be missing.
    """
    figure, axes = new_figure(size=(9.6, 2.8))
    theta = series.angles[:, 1]
    order = np.argsort(theta, kind="stable")
    curves = ((before, "before the fit", CONTRAST, "s"), (after, "after the fit", ACCENT, "o"))
    for values, label, colour, marker in curves:
        if values is not None:
            ratio = 100 * np.asarray(values, float)[order]
            axes[0, 0].plot(theta[order], ratio, marker=marker, ms=3.5, lw=1.2, color=colour, label=label)
    axes[0, 0].set_ylim(bottom=0)
    finish(axes[0, 0], "tilt angle θ [deg]", "R-factor [%]", legend=True)
    return figure


def nearest_neighbour_distances(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each atom to its nearest neighbour [Å], (n,); empty for fewer than two atoms."""
    if len(positions) < 2:
        return np.zeros(0)
    return cKDTree(positions).query(positions, k=2)[0][:, 1]


def distances_figure(model: AtomicModel) -> Figure:
    """Histogram of the distance of each atom to its nearest neighbour, by element."""
    figure, axes = new_figure()
    distances = nearest_neighbour_distances(model.positions)
    if len(distances):
        median = float(np.median(distances))
        _histogram_by_element(axes[0, 0], np.minimum(distances, FAR * median), model.numbers)
        axes[0, 0].axvline(median, color=ACCENT, lw=1.2, ls="--", label=f"median {median:.2f} Å")
    finish(axes[0, 0], "distance to the nearest neighbour [Å]", "atoms", legend=bool(len(distances)))
    return figure


def intensities_figure(model: AtomicModel) -> Figure:
    """Histogram of the integrated intensities, by element."""
    figure, axes = new_figure()
    values = model.intensities
    if values is not None and len(values):
        _histogram_by_element(axes[0, 0], values, model.numbers)
    finish(axes[0, 0], "integrated intensity [image units]", "atoms", legend=bool(values is not None and len(values)))
    return figure


def position_error_pm(model: AtomicModel) -> NDArray[np.float64] | None:
    """Standard error of each position in 3D [pm], the root of the trace of its covariance, (n,)."""
    if model.covariance is None:
        return None
    return np.sqrt(np.trace(model.covariance, axis1=1, axis2=2)) * PICOMETRES_PER_ANGSTROM


def sigma_figure(model: AtomicModel, bound_pm: float | None = None) -> Figure:
    """Histogram of the standard errors of the positions, with the Cramér-Rao bound on the RMSD [pm] beside it."""
    figure, axes = new_figure()
    errors = position_error_pm(model)
    drawn = errors is not None and bool(np.isfinite(errors).any())
    if errors is not None and drawn:
        _histogram_by_element(axes[0, 0], np.minimum(errors, 3 * np.nanquantile(errors, 0.98)), model.numbers)
    if bound_pm is not None and np.isfinite(bound_pm):
        label = f"Cramér-Rao bound {bound_pm:.1f} pm"
        axes[0, 0].axvline(bound_pm, color=CONTRAST, lw=1.5, ls="--", label=label)
        drawn = True
    finish(axes[0, 0], "standard error of a position in 3D [pm]", "atoms", legend=drawn)
    return figure


def _histogram_by_element(ax: Axes, values: NDArray[np.float64], numbers: NDArray[np.int64]) -> None:
    """Stacked histogram of the finite `values` (n,), one colour per element."""
    finite = np.isfinite(values)
    values, numbers = values[finite], numbers[finite]
    if not len(values):
        return
    present = elements_present(numbers)
    groups = [values[numbers == number] for number in present]
    n_bins = int(np.clip(2 * np.sqrt(len(values)), 8, _MAX_BINS))
    labels = [f"{element_name(number)} ({len(group)})" for number, group in zip(present, groups, strict=True)]
    ax.hist(groups, bins=n_bins, stacked=True, color=[element_colour(number) for number in present], label=labels)
