"""One picture of a result, for a README or a slide."""

from pathlib import Path

import numpy as np

from pann.core.atomic_model import AtomicModel
from pann.core.files import atomic_path
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.report.panels import draw_slab, element_legend, image_extent
from pann.report.render import render_spheres
from pann.report.theme import INK, new_figure


def model_picture(
    path: str | Path,
    model: AtomicModel,
    *,
    series: TiltSeries | None = None,
    volume: Volume | None = None,
    refined: Volume | None = None,
    background: str = "white",
    dpi: int = 130,
) -> Path:
    """Write a PNG: a measured image, central slabs of the volumes, and the atoms as spheres, side by side.

    Parameters
    ----------
    path : of the picture, .png.
    model : the atoms [Å].
    series, volume, refined : one panel each, left out where None.
    background : any colour of matplotlib, or "none" for a transparent picture.
    """
    panels = {"reconstruction": volume, "refined": refined}
    volumes = {label: value for label, value in panels.items() if value is not None}
    n_panels = len(volumes) + 1 + (series is not None)
    figure, axes = new_figure(1, n_panels, size=(3.3 * n_panels, 3.6))
    remaining = iter(axes[0])
    if series is not None:
        ax, tilt = next(remaining), int(np.argmin(np.abs(series.angles[:, 1])))
        ax.imshow(series.images[tilt].T, origin="lower", extent=image_extent(series), cmap="gray")
        ax.set_title(f"measured, θ = {series.angles[tilt, 1]:.0f}°", color=INK)
    for label, value in volumes.items():
        ax = next(remaining)
        draw_slab(ax, value, model)
        ax.set_title(label, color=INK)
    ax = next(remaining)
    ax.imshow(render_spheres(model))
    ax.set_title(f"{len(model):,} atoms", color=INK)
    if len(model):
        element_legend(figure, model)
    for ax in axes[0]:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    figure.patch.set_facecolor(background)
    target = Path(path)
    with atomic_path(target) as partial:
        figure.savefig(partial, dpi=dpi)
    return target
