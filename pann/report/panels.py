"""Panels of images: slices of volumes with the atoms on them, and measured beside predicted projections."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.report.theme import INK, element_colour, element_name, elements_present, finish, new_figure

_MARGIN = 4.0
"""Empty space shown around the atoms [Å]."""
_CIRCLE = 1.5
"""Diameter of the circle around an atom [Å]."""
PLANES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
"""Horizontal axis, vertical axis and normal of each slice."""
_NAMES = "xyz"


def slices_figure(volumes: dict[str, Volume], model: AtomicModel | None = None, thickness: float = 2.0) -> Figure:
    """Central slabs of volumes, normal to z, y and x, with the atoms that lie in them.

    Parameters
    ----------
    volumes : one row of panels for each, by its label.
    model : atoms to draw as circles; None for none.
    thickness : of a slab, over which the density is averaged [Å].
    """
    figure, axes = new_figure(max(len(volumes), 1), 3, size=(10.2, 3.5 * max(len(volumes), 1)))
    for row, (label, volume) in enumerate(volumes.items()):
        for column, plane in enumerate(PLANES):
            ax = axes[row, column]
            draw_slab(ax, volume, model, plane, thickness)
            finish(ax, f"{_NAMES[plane[0]]} [Å]", f"{_NAMES[plane[1]]} [Å]")
            ax.set_title(f"{label}, normal to {_NAMES[plane[2]]}", color=INK)
    if model is not None and len(model):
        element_legend(figure, model)
    return figure


def draw_slab(
    ax: Axes,
    volume: Volume,
    model: AtomicModel | None = None,
    plane: tuple[int, int, int] = PLANES[0],
    thickness: float = 2.0,
) -> None:
    """Draw the mean density of a slab through the middle of the atoms, or of the volume, and circle its atoms.

    Parameters
    ----------
    ax : axes to draw on; their limits are set to the atoms and a margin.
    plane : horizontal axis, vertical axis and normal of the slab.
    thickness : [Å].
    """
    horizontal, vertical, normal = plane
    low, high = _field_of_view(volume, model)
    centre = (low + high) / 2
    middle, n = volume.indices(centre)[normal], volume.shape[normal]
    half = max(thickness / volume.voxel_size / 2, 0.5)
    first = int(np.clip(np.ceil(middle - half), 0, n - 1))
    last = int(np.clip(np.floor(middle + half), first, n - 1))
    slab = volume.values.take(range(first, last + 1), axis=normal).mean(axis=normal)
    corner, far = volume.positions(np.full(3, -0.5)), volume.positions(np.array(volume.shape) - 0.5)
    extent = (corner[horizontal], far[horizontal], corner[vertical], far[vertical])
    top = float(np.quantile(slab, 0.998)) or float(slab.max()) or 1.0
    ax.imshow(slab.T, origin="lower", extent=extent, cmap="gray", vmin=min(0.0, float(slab.min())), vmax=top)
    if model is not None:
        near = np.abs(model.positions[:, normal] - centre[normal]) <= thickness / 2
        _circle_atoms(ax, model.select(near), horizontal, vertical)
    ax.set_xlim(low[horizontal], high[horizontal])
    ax.set_ylim(low[vertical], high[vertical])
    ax.set_aspect("equal")


def _field_of_view(volume: Volume, model: AtomicModel | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners (3,), (3,) [Å] of the box to show: the volume, no further than a margin around the atoms."""
    low, high = volume.positions(np.full(3, -0.5)), volume.positions(np.array(volume.shape) - 0.5)
    if model is not None and len(model):
        low = np.maximum(low, model.positions.min(axis=0) - _MARGIN)
        high = np.minimum(high, model.positions.max(axis=0) + _MARGIN)
    return low, high


def _circle_atoms(ax: Axes, model: AtomicModel, horizontal: int, vertical: int) -> None:
    for number in elements_present(model.numbers):
        points = model.positions[model.numbers == number][:, [horizontal, vertical]]
        size = np.full(len(points), _CIRCLE)
        circles = EllipseCollection(
            size, size, np.zeros(len(points)), units="xy", offsets=points, offset_transform=ax.transData
        )
        circles.set(facecolor="none", edgecolor=element_colour(number), linewidth=1.1)
        ax.add_collection(circles)


def element_legend(figure: Figure, model: AtomicModel) -> None:
    """Name the colours of the elements below the panels."""
    handles = [
        Line2D([], [], ls="", marker="o", mfc=element_colour(number), mec="none", label=element_name(number))
        for number in elements_present(model.numbers)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, labelcolor=INK)


def chosen_tilts(series: TiltSeries, n: int = 3) -> list[int]:
    """Indices of `n` tilts spread over the range, in order of angle."""
    order = np.argsort(series.angles[:, 1], kind="stable")
    places = np.linspace(0.1, 0.9, n) * (len(order) - 1) if len(order) > n else np.arange(len(order))
    return [int(order[round(place)]) for place in places]


def tilts_figure(series: TiltSeries, predicted: ArrayLike | None = None, tilts: list[int] | None = None) -> Figure:
    """Measured images of a few tilts; with `predicted` (n_tilts, nx, ny) also the prediction and the residual.

    The residual of counts is (measured - predicted) / sqrt(predicted), one where only Poisson noise is left; of other
    images, the difference.
    """
    rows = chosen_tilts(series) if tilts is None else tilts
    model = None if predicted is None else np.asarray(predicted, np.float64)
    n_columns = 1 if model is None else 3
    figure, axes = new_figure(len(rows), n_columns, size=(3.4 * n_columns + 0.4, 3.1 * len(rows)))
    unit = "e/pixel" if series.kind == "counts" else "a.u."
    for row, tilt in enumerate(rows):
        measured = series.images[tilt].astype(np.float64)
        shared = measured if model is None else model[tilt]
        limits = {"vmin": min(0.0, float(shared.min())), "vmax": float(np.quantile(shared, 0.999)) or 1.0}
        title = f"θ = {series.angles[tilt, 1]:.1f}°"
        _show(figure, axes[row, 0], measured, series, f"measured, {title}", unit, cmap="gray", **limits)
        if model is None:
            continue
        _show(figure, axes[row, 1], model[tilt], series, f"predicted, {title}", unit, cmap="gray", **limits)
        residual, label = _residual(measured, model[tilt], series.kind)
        reach = float(np.quantile(np.abs(residual), 0.995)) or 1.0
        residual_unit = "σ" if series.kind == "counts" else unit
        _show(figure, axes[row, 2], residual, series, label, residual_unit, cmap="RdBu_r", vmin=-reach, vmax=reach)
    return figure


def _residual(
    measured: NDArray[np.float64], predicted: NDArray[np.float64], kind: str
) -> tuple[NDArray[np.float64], str]:
    difference = measured - predicted
    if kind != "counts":
        return difference, "residual"
    floor = max(1e-3 * float(predicted.mean()), 1e-12)
    return difference / np.sqrt(np.maximum(predicted, floor)), "residual / √predicted"


def image_extent(series: TiltSeries) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of an image [Å]; position zero is the middle of pixel n // 2."""
    (nx, ny), pixel = series.image_shape, series.pixel_size
    left, bottom = -(nx // 2 + 0.5) * pixel, -(ny // 2 + 0.5) * pixel
    return left, left + nx * pixel, bottom, bottom + ny * pixel


def _show(
    figure: Figure, ax: Axes, image: NDArray[np.float64], series: TiltSeries, title: str, unit: str, **options: Any
) -> None:
    shown = ax.imshow(image.T, origin="lower", extent=image_extent(series), **options)
    bar = figure.colorbar(shown, ax=ax, shrink=0.8, pad=0.02)
    bar.ax.tick_params(labelsize=8, colors=INK)
    bar.set_label(f"[{unit}]", color=INK, fontsize=9)
    finish(ax, "x [Å]", "y, tilt axis [Å]")
    ax.set_title(title, color=INK)
