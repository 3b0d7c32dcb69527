"""The report: one HTML page that needs no network and no second file."""

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from pann.core.atomic_model import AtomicModel
from pann.core.files import atomic_path
from pann.core.tilt_series import TiltSeries
from pann.core.volume import Volume
from pann.report import sections
from pann.report.document import document

_CONTENTS = {
    "model": "Model",
    "slices": "Slices",
    "images": "Images",
    "agreement": "Agreement",
    "structure": "Structure",
    "uncertainty": "Uncertainty",
    "run": "Run",
}


def write_report(
    path: str | Path,
    *,
    title: str,
    model: AtomicModel,
    series: TiltSeries,
    volume: Volume | None = None,
    refined: Volume | None = None,
    predicted: ArrayLike | None = None,
    r_factor_per_tilt_before: ArrayLike | None = None,
    r_factor_per_tilt_after: ArrayLike | None = None,
    summary: dict[str, Any] | None = None,
    truth_scores: dict[str, Any] | None = None,
) -> Path:
    """Write the report page of a run.

    Parameters
    ----------
    path : of the page, .html.
    title : heading; also the title of the browser's tab.
    model : the final atoms, in Å.
    series : the measured images.
    volume, refined : the reconstruction and the network's refinement of it.
    predicted : (n_tilts, nx, ny) images that the model predicts, in the unit of the series.
    r_factor_per_tilt_before, r_factor_per_tilt_after : (n_tilts,); the latter follows from `predicted` when missing.
    summary : what else is known of the run, as in `summary.json`; every key is optional. `fit` {"r_factor_before",
        "r_factor_after", "bound_pm", ...}, `steps` {name: {"seconds", "peak_mb"}}, `warnings` (list of text); other
        groups of plain values become tables.
    truth_scores : scores of `pann.metrics.score`, where the truth is known.

    Returns
    -------
    The path written. A part that is missing leaves a line that says so.
    """
    facts = dict(summary or {})
    body = [
        sections.headline(model, series, facts),
        sections.warnings(list(facts.get("warnings") or [])),
        sections.model_section(model),
        sections.slices_section(model, volume, refined),
        sections.images_section(series, predicted),
        sections.agreement_section(series, predicted, r_factor_per_tilt_before, r_factor_per_tilt_after),
        sections.structure_section(model),
        sections.uncertainty_section(model, facts, truth_scores),
        sections.run_section(facts),
    ]
    target = Path(path)
    with atomic_path(target) as partial:
        page = document(title, _subtitle(series), _CONTENTS, "".join(body), scene=len(model) > 0)
        partial.write_text(page, encoding="utf-8")
    return target


def _subtitle(series: TiltSeries) -> str:
    nx, ny = series.image_shape
    kind = "electron counts" if series.kind == "counts" else "processed images"
    return f"{series.name}: {series.n_tilts} tilts of {nx} × {ny} pixels, {series.pixel_size:.4g} Å each, {kind}"
