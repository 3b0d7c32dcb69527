"""The sections of the report page, each from the values it shows."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from plotly.io import to_html

from pann.core.atomic_model import AtomicModel
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.metrics import r_factor_per_tilt
from pann.report import html
from pann.report.figures import (
    FAR,
    distances_figure,
    intensities_figure,
    nearest_neighbour_distances,
    position_error_pm,
    r_factor_figure,
    sigma_figure,
)
from pann.report.limits import cross_validation_table, elements_table, existence_table
from pann.report.model_view import model_view
from pann.report.panels import chosen_tilts, slices_figure, tilts_figure

_SHOWN_ELSEWHERE = ("steps", "truth")
NO_ATOMS = "The model holds no atoms."
SAME = 0.01
"""Share by which the standard deviation of a prior's posterior must differ from the bound to be shown beside it."""


def headline(model: AtomicModel, series: TiltSeries, summary: dict[str, Any]) -> str:
    """The numbers at the top of the page."""
    composition = ", ".join(f"{count} {symbol}" for symbol, count in model.composition().items())
    known = bool((model.numbers > 0).any())
    cells = [html.number("Atoms", f"{len(model):,}", composition if known else "")]
    fit = dict(summary.get("fit") or {})
    after = _finite(fit.get("r_factor_after"))
    if after is not None:
        before = _finite(fit.get("r_factor_before"))
        cells.append(html.number("R-factor", f"{100 * after:.1f} %", f"from {100 * before:.1f} %" if before else ""))
    errors = position_error_pm(model)
    if errors is not None and np.isfinite(errors).any():
        cells.append(html.number("Standard error", f"{np.nanmedian(errors):.1f} pm", "median, 3D"))
    bound = _finite(fit.get("bound_pm"))
    if bound is not None:
        cells.append(html.number("Cramér-Rao bound", f"{bound:.1f} pm", "RMSD, 3D, of these images alone"))
    posterior = _finite(fit.get("posterior_pm"))
    if bound is not None and posterior is not None and posterior < (1 - SAME) * bound:
        cells.append(html.number("With the prior", f"{posterior:.1f} pm", "RMSD, 3D, images and network"))
    theta = series.angles[:, 1]
    cells.append(html.number("Tilts", f"{series.n_tilts}", f"{theta.min():.0f}° to {theta.max():.0f}°"))
    if series.dose is not None and series.total_dose is not None:
        note = f"e/Å² in all, {_amount(series.dose)} per tilt"
        cells.append(html.number("Dose", _amount(series.total_dose), note))
    steps = _steps(summary)
    if steps:
        cells.append(html.number("Time", _duration(sum(step["seconds"] for step in steps.values()))))
        peak = max(step["peak_mb"] for step in steps.values())
        if peak > 0:
            cells.append(html.number("Peak memory", f"{peak / 1000:.2f} GB"))
    return f'<dl class="numbers">{"".join(cells)}</dl>'


def warnings(messages: list[str]) -> str:
    """Warnings of the run; nothing when there are none."""
    if not messages:
        return ""
    items = "".join(f"<li>{html.escape(str(message))}</li>" for message in messages)
    return f'<section class="warnings" id="warnings"><h2>Warnings</h2><ul>{items}</ul></section>'


def model_section(model: AtomicModel) -> str:
    """The 3D scene."""
    if not len(model):
        return html.section("model", "Atomic model", "", html.empty(NO_ATOMS))
    scene = to_html(
        model_view(model),
        include_plotlyjs=False,
        full_html=False,
        div_id="scene",
        default_height="100%",
        config={"displaylogo": False, "responsive": True, "displayModeBar": "hover"},
    )
    label = f"Three-dimensional scatter plot of {len(model)} atoms, coloured by element"
    lead = "Drag to turn, scroll to zoom, point at an atom for its data; click an element in the legend to hide it."
    body = f'<div class="scene" role="img" aria-label="{html.escape(label)}">{scene}</div>'
    return html.section("model", "Atomic model", lead, body)


def slices_section(model: AtomicModel, volume: Volume | None, refined: Volume | None) -> str:
    """Slabs of the volumes with the atoms on them."""
    volumes = {label: v for label, v in (("reconstruction", volume), ("refined", refined)) if v is not None}
    if not volumes:
        return html.section("slices", "Slices", "", html.empty("This run kept no volume."))
    alt = f"Three central slabs of the {' and the '.join(volumes)} volume with the positions of the atoms circled"
    caption = "Slabs 2 Å thick through the centre; circles mark the atoms inside a slab. "
    caption += "The beam runs along z, y is the tilt axis."
    return html.section("slices", "Slices", "", html.raster_figure(slices_figure(volumes, model), alt, caption))


def images_section(series: TiltSeries, predicted: ArrayLike | None) -> str:
    """Measured, predicted and residual images of a few tilts."""
    angles = ", ".join(f"{series.angles[k, 1]:.1f}°" for k in chosen_tilts(series))
    if predicted is None:
        alt, caption = f"Measured images at {angles}", "Measured images; this run predicted none."
    else:
        alt = f"Measured, predicted and residual images at {angles}"
        caption = "Left to right: measured, predicted from the model, and what is left."
        if series.kind == "counts":
            caption += " The residual is in units of the Poisson noise: pure noise has standard deviation 1."
    return html.section("images", "Images", "", html.raster_figure(tilts_figure(series, predicted), alt, caption))


def agreement_section(
    series: TiltSeries, predicted: ArrayLike | None, before: ArrayLike | None, after: ArrayLike | None
) -> str:
    """R-factor of each tilt."""
    if after is None and predicted is not None:
        after = r_factor_per_tilt(series.images, predicted)
    title, lead = "Agreement with the images", "R = Σ|measured − predicted| / Σ|measured| of each tilt."
    if before is None and after is None:
        return html.section("agreement", title, "", html.empty("The model was not compared with the images."))
    chart = html.svg_figure(
        r_factor_figure(series, before, after),
        "R-factor in percent against the tilt angle in degrees",
        "A tilt that stands out is misaligned, damaged or seen along a zone axis.",
        wide=True,
    )
    return html.section("agreement", title, lead, chart)


def structure_section(model: AtomicModel) -> str:
    """Distances and intensities."""
    if not len(model):
        return html.section("structure", "Structure", "", html.empty(NO_ATOMS))
    charts = []
    distances = nearest_neighbour_distances(model.positions)
    if len(distances):
        median = float(np.median(distances))
        isolated = int((distances > FAR * median).sum())
        caption = f"Median {median:.2f} Å, shortest {distances.min():.2f} Å. Metals have 2.2 - 3.2 Å."
        if isolated:
            caption += f" {isolated} atoms further than {FAR:g} medians from all others are in the last bar."
        alt = "Histogram of the distance of each atom to its nearest neighbour in Å, by element"
        charts.append(html.svg_figure(distances_figure(model), alt, caption))
    if model.intensities is not None:
        caption = "Elements that overlap here can only be told apart by their neighbourhood."
        alt = "Histogram of the integrated intensity of the atoms, by element"
        charts.append(html.svg_figure(intensities_figure(model), alt, caption))
    body = f'<div class="charts">{"".join(charts)}</div>' if charts else html.empty("A single atom has no neighbours.")
    return html.section("structure", "Structure", "", body)


def uncertainty_section(model: AtomicModel, summary: dict[str, Any], scores: dict[str, Any] | None) -> str:
    """Error bars and their bound, what the likelihood decided, and the scores against a known truth."""
    parts = []
    bound_pm = (summary.get("fit") or {}).get("bound_pm")
    if model.covariance is not None and len(model):
        alt = "Histogram of the standard error of the atoms' positions in picometres, with the Cramér-Rao bound"
        caption = (
            "Standard errors from the Fisher information of the fit, and from the network's own error bars where it "
            "held the atoms. The bound is the least RMSD that the images alone allow; a lattice is knowledge beyond it."
        )
        parts.append(html.svg_figure(sigma_figure(model, _finite(bound_pm)), alt, caption))
    if scores:
        names = {
            "recovery": "atoms found / true",
            "precision": "atoms right / found",
            "rmsd_pm": "RMSD of matched atoms [pm]",
            "species_acc": "elements right among matched",
            "correct_frac": "right atom and element / true",
            "radius": "matching radius [Å]",
            "rmsd_over_bound": "RMSD / Cramér-Rao bound",
        }
        rows = [[names.get(key, key), _plain(value)] for key, value in scores.items()]
        parts.append(html.table("Scores against the known truth", ["score", "value"], rows))
    tables = (
        existence_table(summary.get("existence")),
        elements_table(summary.get("elements")),
        cross_validation_table(summary.get("cross_validation")),
    )
    parts += [table for table in tables if table]
    if not parts:
        parts.append(html.empty("No error bars: the model was not fitted to the images."))
    return html.section("uncertainty", "Uncertainty", "", f'<div class="charts">{"".join(parts)}</div>')


def run_section(summary: dict[str, Any]) -> str:
    """Time and memory of each step, and every group of values that the summary of the run holds."""
    parts = []
    steps = _steps(summary)
    if steps:
        rows = [
            [name, _duration(s["seconds"]), f"{s['peak_mb'] / 1000:.2f} GB" if s["peak_mb"] else "-"]
            for name, s in steps.items()
        ]
        parts.append(html.table("Time and memory", ["step", "time", "peak memory"], rows))
    for key, values in summary.items():
        if key not in _SHOWN_ELSEWHERE and isinstance(values, dict) and values:
            body = html.table("", ["", "value"], html.flatten(values))
            label = html.escape(key.replace("_", " ").capitalize())
            parts.append(f"<details><summary>{label}</summary>{body}</details>")
    return html.section("run", "Run", "", "".join(parts) or html.empty("Nothing was recorded about this run."))


def _steps(summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds and peak memory [MB] by step; a step may also be given by its seconds alone."""
    steps = {}
    for name, step in dict(summary.get("steps") or {}).items():
        values = step if isinstance(step, dict) else {"seconds": step}
        steps[str(name)] = {key: float(values.get(key) or 0.0) for key in ("seconds", "peak_mb")}
    return steps


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | np.number) and np.isfinite(value) else None


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
