"""The files that a run leaves."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from pann import __version__
from pann.core import AtomicModel, Volume
from pann.core.files import atomic_path
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.io import write_atoms, write_volume
from pann.metrics import score
from pann.pipeline.chain import ChainResult
from pann.pipeline.clock import Clock
from pann.report import write_report

SUMMARY_VERSION = 1


def summarise(result: ChainResult, clock: Clock, truth: AtomicModel | None, radius: float = 1.0) -> dict[str, Any]:
    """The content of `summary.json`: plain values with their units in the names."""
    series, fit = result.series, result.fit
    fitted, sigma = result.fitted, result.model.sigma
    cross = None if fitted is None else fitted.cross_validation
    summary: dict[str, Any] = {
        "version": SUMMARY_VERSION,
        "pann": __version__,
        "name": series.name,
        "images": {
            "n_tilts": series.n_tilts,
            "shape": list(series.image_shape),
            "pixel_size_A": series.pixel_size,
            "kind": series.kind,
            "dose_per_projection_e_A2": series.dose,
            "dose_total_e_A2": series.total_dose,
            "mean_value": float(series.images.mean()),
            "theta_deg": [float(series.angles[:, 1].min()), float(series.angles[:, 1].max())],
        },
        "reconstruction": {
            "iterations": result.reconstruction.iterations,
            "deviance_over_expected": result.reconstruction.statistic,
            "background_mean": float(np.mean(result.reconstruction.background)),
        },
        "atoms": {"total": len(result.model), **result.model.composition()},
        "volume_of_atoms": None if result.verdict is None else result.verdict.chosen,
        "choice": None if result.verdict is None else vars(result.verdict),
        "existence": None if result.existence is None else result.existence.summary(),
        "fit": None if fit is None else fit.summary() | _limit(result),
        "elements": None if fitted is None or fitted.elements is None else fitted.elements.summary(),
        "cross_validation": None if cross is None else cross.summary(),
        "median_sigma_pm": None if sigma is None or not len(sigma) else round(100 * float(np.nanmedian(sigma)), 2),
        "truth": None if truth is None else _scores(result, truth, radius),
        "steps": clock.table(),
        "warnings": result.warnings,
    }
    return summary


def _limit(result: ChainResult) -> dict[str, float]:
    """The RMSD that the error bars promise, and its ratio to the Cramér-Rao bound; nothing without error bars."""
    fit, covariance = result.fit, result.model.covariance
    if fit is None or covariance is None or not fit.bound_pm > 0:
        return {}
    promised = PICOMETRES_PER_ANGSTROM * float(np.sqrt(np.nanmean(np.trace(covariance, axis1=1, axis2=2))))
    values = {"expected_rmsd_pm": promised, "expected_over_bound": promised / fit.bound_pm}
    if result.fitted is not None and result.fitted.inflation is not None:
        values["score_inflation"] = float(np.mean(result.fitted.inflation))
    return values


def _scores(result: ChainResult, truth: AtomicModel, radius: float) -> dict[str, Any]:
    """Scores against the truth, and the RMSD in units of the bound."""
    scores = score(result.model, truth, radius=radius)
    if result.fit is not None and result.fit.bound_pm > 0:
        scores["rmsd_over_bound"] = scores["rmsd_pm"] / result.fit.bound_pm
    return scores


def write_outputs(
    folder: Path, result: ChainResult, summary: dict[str, Any], refined_written: bool = True
) -> dict[str, Path]:
    """Write the model, the volumes, the report and, last, the summary; every file appears whole or not at all."""
    paths = {
        "model": folder / "model.xyz",
        "volume": folder / "volume.mrc",
        "report": folder / "report.html",
        "summary": folder / "summary.json",
    }
    write_atoms(paths["model"], result.model)
    write_volume(paths["volume"], result.reconstruction.volume)
    if result.refined is not None and refined_written:
        answer = result.refined
        volumes = {"refined": answer.volume, "presence": answer.presence, "confidence": answer.confidence}
        for name, volume in volumes.items():
            if volume is not None:
                paths[name] = folder / f"{name}.mrc"
                write_volume(paths[name], volume)
    _report(paths["report"], result, summary)
    with atomic_path(paths["summary"]) as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return paths


def _report(path: Path, result: ChainResult, summary: dict[str, Any]) -> None:
    volume: Volume | None = result.reconstruction.volume
    fit = result.fit
    write_report(
        path,
        title=result.series.name,
        model=result.model,
        series=result.series,
        volume=volume,
        refined=None if result.refined is None else result.refined.volume,
        predicted=None if fit is None else fit.predicted,
        r_factor_per_tilt_before=None if fit is None else fit.r_factor_per_tilt_before,
        r_factor_per_tilt_after=None if fit is None else fit.r_factor_per_tilt,
        summary=summary,
        truth_scores=summary["truth"],
    )
