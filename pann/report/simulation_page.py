"""The picture page of a simulation: the particle, its images at some doses and under some models of noise."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pann.core.atomic_model import AtomicModel
from pann.core.tilt_series import TiltSeries
from pann.report import html
from pann.report.document import document
from pann.report.sections import model_section
from pann.report.side_by_side import side_by_side_figure

_CONTENTS = {"model": "Particle", "doses": "Doses", "noise": "Noise", "drawn": "Drawn values"}
_UNITS = {
    "true_angles": "deg",
    "shift": "Å",
    "rotation": "deg",
    "jitter": "Å",
    "jitter_correlation": "lines",
    "flyback_amplitude": "Å",
    "drift": "Å",
    "defocus": "Å",
    "carbon_path": "Å",
    "carbon_scattering": "1/Å",
    "carbon_correlation": "Å",
    "particle_rotation": "deg",
    "moved_by": "Å",
}
"""Units of drawn values; the others are shares, factors or numbers of things."""


def simulation_page(
    model: AtomicModel,
    doses: Mapping[str, TiltSeries],
    noises: Mapping[str, TiltSeries],
    drawn: Mapping[str, Mapping[str, Any]],
    title: str = "Simulated tilt series",
) -> str:
    """The page as HTML that needs no network and no second file.

    Parameters
    ----------
    model : the particle [Å].
    doses : series of the particle at several doses, by label.
    noises : series under several models of noise at one dose, by label.
    drawn : of each model of noise the values that were drawn, by name: numbers and arrays.
    title : heading.
    """
    body = [
        _headline(model, [*doses.values(), *noises.values()]),
        model_section(model),
        _images("doses", "Doses", "The same images with more and more electrons, other things equal.", doses),
        _images("noise", "Noise", "The same particle, dose and tilts under several models of noise.", noises),
        _drawn_section(drawn),
    ]
    return document(title, model.name, _CONTENTS, "".join(body), scene=len(model) > 0)


def _headline(model: AtomicModel, series: list[TiltSeries]) -> str:
    composition = ", ".join(f"{count} {symbol}" for symbol, count in model.composition().items())
    cells = [html.number("Atoms", f"{len(model):,}", composition)]
    if len(model):
        reach = np.linalg.norm(model.positions - model.positions.mean(axis=0), axis=1).max()
        cells.append(html.number("Diameter", f"{reach / 5:.1f} nm", "between outermost atoms"))
    if series:
        first = series[0]
        theta = first.angles[:, 1]
        cells.append(html.number("Tilts", f"{first.n_tilts}", f"{theta.min():.0f}° to {theta.max():.0f}°"))
        nx, ny = first.image_shape
        cells.append(html.number("Pixel", f"{first.pixel_size:.2f} Å", f"{nx} × {ny} in each image"))
    return f'<dl class="numbers">{"".join(cells)}</dl>'


def _images(key: str, title: str, lead: str, series: Mapping[str, TiltSeries]) -> str:
    if not series:
        return html.section(key, title, "", html.empty("No series was handed in."))
    labels = ", ".join(series)
    alt = f"Images of the particle at three tilts, side by side: {labels}"
    caption = "Each image has a grey scale of its own: above it stand its mean and the value that is drawn white."
    return html.section(key, title, lead, html.raster_figure(side_by_side_figure(series), alt, caption))


def _drawn_section(drawn: Mapping[str, Mapping[str, Any]]) -> str:
    if not any(drawn.values()):
        return html.section("drawn", _CONTENTS["drawn"], "", html.empty("Nothing was drawn."))
    names = list(dict.fromkeys(name for values in drawn.values() for name in values))
    rows = [[_label(name), *(_summary(values.get(name)) for values in drawn.values())] for name in names]
    lead = "What each model of noise drew for this series; of an array its range and its root mean square."
    return html.section("drawn", _CONTENTS["drawn"], lead, html.table("", ["value", *drawn], rows))


def _label(name: str) -> str:
    unit = f" [{_UNITS[name]}]" if name in _UNITS else ""
    return name.replace("_", " ").capitalize() + unit


def _summary(value: Any) -> str:
    """A number as it is; an array of numbers by its range and rms, of whole numbers (atoms, images) by its length."""
    if value is None:
        return "-"
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.number):
        return str(value)
    if array.ndim and np.issubdtype(array.dtype, np.integer):
        return f"{len(array)} values"
    if not array.size:
        return "none"
    array = array.astype(np.float64)
    if array.ndim == 0 or np.ptp(array) == 0:
        return _number(float(array.flat[0]))
    rms = float(np.sqrt(np.mean(array**2)))
    return f"{_number(float(array.min()))} to {_number(float(array.max()))}, rms {_number(rms)}"


def _number(value: float) -> str:
    """Three digits; four decimals near one, where factors differ by little."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.4f}" if 0.5 < value < 2 else f"{value:.3g}"
