"""The same views of several series, side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from pann.core.tilt_series import TiltSeries
from pann.report.panels import chosen_tilts, image_extent
from pann.report.theme import INK, finish, new_figure


def side_by_side_figure(series: Mapping[str, TiltSeries]) -> Figure:
    """Images of three tilts: one row for each, one column for each series by its label.

    Every image has its own grey scale, from its darkest value to its 99.9 % quantile, which stands above it.

    Parameters
    ----------
    series : at least one, all of the same tilts.
    """
    rows = chosen_tilts(next(iter(series.values())))
    figure, axes = new_figure(len(rows), len(series), size=(2.75 * len(series) + 0.5, 2.95 * len(rows)))
    for column, (label, measured) in enumerate(series.items()):
        unit = "e/pixel" if measured.kind == "counts" else "a.u."
        for row, tilt in enumerate(rows):
            ax, image = axes[row, column], measured.images[tilt]
            top = float(np.quantile(image, 0.999)) or float(image.max())
            limits = {"vmin": float(image.min()), "vmax": top}
            ax.imshow(image.T, origin="lower", extent=image_extent(measured), cmap="gray", **limits)
            heading = f"{label}\n" if row == 0 else ""
            ax.set_title(f"{heading}mean {image.mean():.3g}, white {top:.3g} {unit}", color=INK, fontsize=9)
            left = f"θ = {measured.angles[tilt, 1]:.0f}°\ny, tilt axis [Å]" if column == 0 else ""
            finish(ax, "x [Å]" if row == len(rows) - 1 else "", left)
    return figure
