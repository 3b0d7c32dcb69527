"""The chart of a dose plan."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from pann.core.elements import atomic_number
from pann.report.theme import ACCENT, CONTRAST, element_colour, finish, new_figure

_STYLES = ("-", "--", ":", "-.")


def plan_figure(
    doses: ArrayLike,
    rmsd_pm: ArrayLike,
    axes_pm: ArrayLike,
    detection: Mapping[str, ArrayLike],
    confusion: Mapping[str, ArrayLike],
    limits: ArrayLike,
    limits_pm: ArrayLike,
) -> Figure:
    """Bound, detection and Bayes error against the dose, and the bound per axis against the tilt range.

    Parameters
    ----------
    doses : (k,) [e/Å² per projection].
    rmsd_pm, axes_pm : (k,) and (k, 3) bound on the RMSD, in 3D and along each axis [pm].
    detection, confusion : (k,) probabilities by symbol, and by pair of symbols.
    limits, limits_pm : (m,) largest tilts [deg] and the bound along each axis (m, 3) [pm].
    """
    figure, axes = new_figure(2, 2, size=(10.2, 6.8))
    doses, axes_pm, limits_pm = np.asarray(doses), np.asarray(axes_pm), np.asarray(limits_pm)
    bound, found, confused, ranges = axes.flat
    bound.loglog(doses, rmsd_pm, color=ACCENT, lw=2, label="3D")
    for axis, (name, style) in enumerate(zip("xyz", _STYLES, strict=False)):
        bound.loglog(doses, axes_pm[:, axis], color=CONTRAST, ls=style, lw=1.2, label=name)
        ranges.plot(limits, limits_pm[:, axis], color=CONTRAST, ls=style, marker="o", ms=3.5, label=name)
    for symbol, chances in detection.items():
        found.semilogx(
            doses, 100 * np.asarray(chances), color=element_colour(atomic_number(symbol)), lw=2, label=symbol
        )
    for style, (pair, chances) in zip(_STYLES * len(confusion), confusion.items(), strict=False):
        confused.semilogx(doses, 100 * np.asarray(chances), color=ACCENT, ls=style, lw=1.5, label=pair)
    dose_label = "dose [e/Å² per projection]"
    finish(bound, dose_label, "bound on the RMSD [pm]", legend=True)
    finish(found, dose_label, "atoms found [%]", legend=True)
    finish(confused, dose_label, "Bayes error between elements [%]", legend=bool(confusion))
    finish(ranges, "largest tilt [deg]", "bound on the RMSD [pm]", legend=True)
    found.set_ylim(0, 102)
    confused.set_ylim(0, 52)
    ranges.set_ylim(bottom=0)
    return figure
