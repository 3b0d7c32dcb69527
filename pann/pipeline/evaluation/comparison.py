"""Every arm on every case, through tracing and through the fit, one row each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from pann.core import AtomicModel, ConfigError, InputError
from pann.core.progress import progress_bar
from pann.core.units import PICOMETRES_PER_ANGSTROM
from pann.metrics import distances_to_found, score_by_place
from pann.pipeline.chain import held_options, run_chain
from pann.pipeline.clock import Clock
from pann.pipeline.evaluation.arms import Arm
from pann.pipeline.evaluation.cases import Case
from pann.pipeline.evaluation.rows import RowFile
from pann.pipeline.fitting import fit_atoms
from pann.pipeline.prepare import Stages, prepare

STAGES = ("trace", "fit")
NOTHING = AtomicModel(np.zeros((0, 3)), name="nothing found")
PLACE_COLUMNS = ("n_true", "matched", "missed", "false", "recovery", "rmsd_pm", "variance")
SCORE_COLUMNS = (
    *("n_true", "n_found", "matched", "missed", "false", "recovery", "precision"),
    *("rmsd_pm", "rmsd_x_pm", "rmsd_y_pm", "rmsd_z_pm", "elongation", "variance"),
    *(f"{place}_{name}" for place in ("inner", "surface") for name in PLACE_COLUMNS),
)
KEY = ("series", "every", "limit_deg", "dose", "seed", "arm", "settings", "stage")
COLUMNS = (
    *KEY,
    *("n_tilts", *SCORE_COLUMNS, "bound_pm", "bound_x_pm", "bound_y_pm", "bound_z_pm"),
    *("images_choose", "seconds", "note", "errors_pm"),
)


@dataclass(frozen=True)
class Found:
    """What one stage of one arm found.

    Attributes
    ----------
    stage : "trace" or "fit".
    model : the atoms; none where the stage failed.
    seconds : wall time up to the end of the stage.
    images_choose : the volume that the likelihood would have chosen, "raw" or "refined"; empty where not asked.
    note : why the stage failed, or what the chain warned of.
    """

    stage: str
    model: AtomicModel
    seconds: float
    images_choose: str = ""
    note: str = ""


def compare(
    cases: Sequence[Case],
    arms: Sequence[Arm],
    file: RowFile,
    stages: Sequence[str] = STAGES,
    *,
    radius: float = 1.0,
    veto: bool = True,
    progress: bool = True,
) -> None:
    """Run what `file` does not hold yet, and append it.

    All arms see the same counts; arms with the same options of the reconstruction see the same volume.

    Parameters
    ----------
    stages : of `STAGES`.
    radius : of matching [Å].
    veto : ask for each refiner which volume ``refiner.choose=likelihood`` would have kept; two brief fits each.
    """
    if unknown := set(stages) - set(STAGES):
        raise ConfigError(f"stages: {', '.join(sorted(unknown))}: expected {', '.join(STAGES)}")
    digests = {arm.name: arm.digest for arm in arms}
    if len(digests) < len(arms):
        raise ConfigError(f"arms {', '.join(arm.name for arm in arms)}: give each a name of its own (names=)")
    prepared: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Stages] = {}
    with progress_bar("Evaluating", len(cases) * len(arms), progress) as bar:
        for case, arm in product(cases, arms):
            rows = (case.key | {"arm": arm.name, "settings": digests[arm.name], "stage": stage} for stage in stages)
            missing = {row["stage"]: row for row in rows if row not in file}
            if missing:
                elements = case.target.elements
                ready = (arm.name, arm.overrides_at(case.dose), elements)
                if ready not in prepared:
                    prepared[ready] = prepare(arm.options(elements, case.dose))
                ask = veto and arm.checkpoint is not None
                for found in run_stages(case, prepared[ready], "fit" in missing, ask):
                    if found.stage in missing:
                        file.append(missing[found.stage] | row_of(case, found, radius))
            bar.advance(1, f"{case.target.name} {case.dose:g} e/Å² {arm.name}")


def run_stages(case: Case, stages: Stages, fitted: bool, veto: bool) -> Iterator[Found]:
    """What the chain finds by tracing and, if asked, by the fit that follows."""
    clock = Clock(verbose=False)
    without_fit = replace(stages.options, fit=None)
    choice = ""
    try:
        if veto:
            asked = replace(without_fit, refiner={**(without_fit.refiner or {}), "choose": "likelihood"})
            traced = run_chain(case.series, replace(stages, options=asked), clock)
            choice = traced.verdict.chosen if traced.verdict else ""
        if choice != "refined":
            clock.seconds.clear()
            traced = run_chain(case.series, replace(stages, options=without_fit), clock)
    except InputError as error:
        yield from (Found(stage, NOTHING, _seconds(clock), choice, str(error)) for stage in STAGES[: 1 + fitted])
        return
    yield Found("trace", traced.model, _seconds(clock), choice)
    if not fitted:
        return
    first = traced.reconstruction
    trust = None if traced.refined is None else traced.refined.lattice_trust
    surroundings = {"background_images": first.outside, "device": stages.options.device, "progress": False}
    try:
        result = fit_atoms(
            traced.series, traced.model, held_options(stages.options, traced.model, trust), clock, surroundings
        )
    except InputError as error:
        yield Found("fit", NOTHING, _seconds(clock), choice, str(error))
        return
    yield Found("fit", result.model, _seconds(clock), choice, "; ".join(result.warnings))


def row_of(case: Case, found: Found, radius: float) -> dict[str, Any]:
    """Scores of what was found, beside the bound."""
    # the frames of truth and images are one: a start centroid on centroid would follow the false atoms
    scores = score_by_place(found.model, case.target.truth, case.target.surface, radius, centre=False)
    x, y, z = case.bound_pm.tolist()
    return {name: scores[name] for name in SCORE_COLUMNS} | {
        "n_tilts": case.series.n_tilts,
        "bound_pm": math.sqrt(x**2 + y**2 + z**2),
        "bound_x_pm": x,
        "bound_y_pm": y,
        "bound_z_pm": z,
        "images_choose": found.images_choose,
        "seconds": found.seconds,
        "note": " ".join(found.note.split()),
        "errors_pm": _errors_pm(case, found, radius),
    }


def _errors_pm(case: Case, found: Found, radius: float) -> str:
    """Of each true atom the error [whole pm] of the one that was found, and - where it was missed."""
    distances = distances_to_found(found.model.positions, case.target.truth.positions, radius, centre=False)
    return " ".join("-" if math.isnan(one) else f"{PICOMETRES_PER_ANGSTROM * one:.0f}" for one in distances)


def _seconds(clock: Clock) -> float:
    """Wall time of all steps but the question whose answer is not used."""
    return sum(value for name, value in clock.seconds.items() if name != "choose")
