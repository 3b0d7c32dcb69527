"""Markdown tables of a comparison: by dose and by series, after each stage."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pann.pipeline.evaluation.arms import NETWORK_FREE
from pann.pipeline.evaluation.comparison import STAGES
from pann.report.markdown import markdown_table

Row = Mapping[str, str]
CASE = ("series", "every", "limit_deg", "dose", "seed")
TITLES = {"trace": "After tracing", "fit": "After the likelihood fit"}
HEAD = (
    "arm",
    "cases",
    "atoms",
    "wrong per 100",
    "inner",
    "surface",
    "recovery [%]",
    "precision [%]",
    "RMSD [pm]",
    "bound [pm]",
    "z / x",
    "bound z / x",
    "variance (inner, surface)",
    "images refuse",
)
RATIOS = ("wrong, ratio", "inner", "surface", "RMSD, ratio", "of common atoms")


@dataclass(frozen=True)
class Pooled:
    """Sums over cases: every true atom counts once.

    Attributes
    ----------
    wrong : missed and false atoms per 100 true ones; of all, inner and surface atoms.
    recovery, precision : shares.
    rmsd_pm : of all matched atoms.
    elongation : rms error along z over that along x, of all matched atoms.
    variance : mean square error in units of the error bar; of all, inner and surface atoms; NaN without error bars.
    bound_pm, bound_elongation : the same for the Cramér-Rao bounds of all true atoms.
    refused : cases in which the images would have chosen the first volume; None where it was not asked.
    """

    cases: int
    atoms: int
    wrong: tuple[float, float, float]
    recovery: float
    precision: float
    rmsd_pm: float
    elongation: float
    variance: tuple[float, float, float]
    bound_pm: float
    bound_elongation: float
    refused: int | None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Pooled":
        """Pool `rows`, at least one."""
        total = {name: sum(float(row[name]) for row in rows) for name in ("n_true", "n_found", "matched")}
        wrong = []
        for place in ("", "inner_", "surface_"):
            errors = sum(float(row[f"{place}missed"]) + float(row[f"{place}false"]) for row in rows)
            wrong.append(_ratio(100 * errors, sum(float(row[f"{place}n_true"]) for row in rows)))
        asked = [row["images_choose"] for row in rows if row["images_choose"]]
        return cls(
            cases=len(rows),
            atoms=int(total["n_true"]),
            wrong=(wrong[0], wrong[1], wrong[2]),
            recovery=_ratio(total["matched"], total["n_true"]),
            precision=_ratio(total["matched"], total["n_found"]),
            rmsd_pm=_rms(rows, "rmsd_pm", "matched"),
            elongation=_ratio(_rms(rows, "rmsd_z_pm", "matched"), _rms(rows, "rmsd_x_pm", "matched")),
            variance=(_mean(rows, ""), _mean(rows, "inner_"), _mean(rows, "surface_")),
            bound_pm=_rms(rows, "bound_pm", "n_true"),
            bound_elongation=_ratio(_rms(rows, "bound_z_pm", "n_true"), _rms(rows, "bound_x_pm", "n_true")),
            refused=asked.count("raw") if asked else None,
        )


def comparison_tables(rows: Sequence[Row], arms: Sequence[tuple[str, str]]) -> str:
    """Tables by dose and by series of each stage.

    Parameters
    ----------
    rows : of `pann.pipeline.evaluation.comparison`.
    arms : name and settings of each arm; the ratios are to the one called "network-free". Cases that one of the arms
        lacks are left out, so that all columns speak of the same counts.
    """
    mine = [row for row in rows if (row["arm"], row["settings"]) in arms]
    parts = []
    for stage in STAGES:
        shared = _shared([row for row in mine if row["stage"] == stage], len(arms))
        if shared:
            parts.append(f"## {TITLES[stage]}")
            parts.append(_table(shared, "dose", "dose [e/Å² per projection]", arms))
            parts.append(_table(shared, "series", "series", arms))
    if not parts:
        return "No case is complete in every arm yet.\n"
    return "\n\n".join([LEGEND, *parts]) + "\n"


LEGEND = (
    "Wrong: missed and false atoms per 100 true ones, of all, of inner and of surface atoms. RMSD of the matched atoms "
    "(within 1.0 Å unless said otherwise) beside the Cramér-Rao bound of the whole truth. It counts weak atoms that "
    "no chain finds: where many are missed the RMSD may lie below it. z / x: rms error along the beam over that across "
    "it. Variance: mean square error along an axis in units of the atom's error bar, 1 where error bars are true. "
    "Images refuse: cases in which `refiner.choose=likelihood` would have kept the first volume. Ratios are to the "
    "network-free chain on the same counts: below 1 the refiner is better. Of common atoms: the ratio of the RMSDs of "
    "those true atoms that both found; each chain's own RMSD is that of other atoms, and the more it finds, the harder."
)


def _shared(rows: Sequence[Row], n_arms: int) -> list[Row]:
    """Rows of the cases that every arm has."""
    arms: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        arms.setdefault(tuple(row[name] for name in CASE), set()).add(row["arm"])
    return [row for row in rows if len(arms[tuple(row[name] for name in CASE)]) == n_arms]


def _table(rows: Sequence[Row], column: str, title: str, arms: Sequence[tuple[str, str]]) -> str:
    """One table: a line for each value of `column` and each arm."""
    ratios = RATIOS if len(arms) > 1 and any(name == NETWORK_FREE for name, _ in arms) else ()
    lines = []
    values = {row[column] for row in rows}
    for value in sorted(values, key=float) if column == "dose" else sorted(values):
        mine = {name: [row for row in rows if row[column] == value and row["arm"] == name] for name, _ in arms}
        pooled = {name: Pooled.of(mine[name]) for name, _ in arms}
        for name, _ in arms:
            extra: Sequence[str] = ["-"] * len(ratios)
            if ratios and name != NETWORK_FREE:
                common = common_rmsd_ratio(mine[name], mine[NETWORK_FREE])
                extra = [*_ratios(pooled[name], pooled[NETWORK_FREE]), "-" if math.isnan(common) else f"{common:.2f}"]
            lines.append((value, name, *_cells(pooled[name]), *extra))
    return markdown_table((title, *HEAD, *ratios), lines)


def _cells(pooled: Pooled) -> list[str]:
    numbers = [f"{value:.1f}" for value in pooled.wrong]
    numbers += [f"{100 * pooled.recovery:.1f}", f"{100 * pooled.precision:.1f}"]
    numbers += [f"{pooled.rmsd_pm:.1f}", f"{pooled.bound_pm:.1f}"]
    numbers += [f"{pooled.elongation:.2f}", f"{pooled.bound_elongation:.2f}"]
    everywhere, inner, surface = (f"{value:.2f}" for value in pooled.variance)
    numbers.append("-" if math.isnan(pooled.variance[0]) else f"{everywhere} ({inner}, {surface})")
    refused = "-" if pooled.refused is None else str(pooled.refused)
    return [str(pooled.cases), str(pooled.atoms), *numbers, refused]


def _ratios(pooled: Pooled, reference: Pooled) -> list[str]:
    values = [_ratio(mine, theirs) for mine, theirs in zip(pooled.wrong, reference.wrong, strict=True)]
    return [f"{value:.2f}" for value in (*values, _ratio(pooled.rmsd_pm, reference.rmsd_pm))]


def common_rmsd_ratio(rows: Sequence[Row], reference: Sequence[Row]) -> float:
    """RMSD of `rows` over that of `reference`, both of the true atoms that both found; NaN where there are none.

    Rows of before that know no errors of single atoms count nothing.
    """
    others = {tuple(row[name] for name in CASE): row["errors_pm"] for row in reference}
    squares = [0.0, 0.0]
    for row in rows:
        for one, other in zip(
            row["errors_pm"].split(), others[tuple(row[name] for name in CASE)].split(), strict=False
        ):
            if "-" not in (one, other):
                squares[0] += float(one) ** 2
                squares[1] += float(other) ** 2
    return math.sqrt(_ratio(*squares))


def _rms(rows: Sequence[Row], name: str, weight: str) -> float:
    """Root of the mean square of column `name`, weighted; rows of weight 0 hold NaN there."""
    weights = [float(row[weight]) for row in rows]
    squares = sum(w * float(row[name]) ** 2 for w, row in zip(weights, rows, strict=True) if w > 0)
    return math.sqrt(_ratio(squares, sum(weights)))


def _mean(rows: Sequence[Row], place: str) -> float:
    """Mean of the variance of a place over its matched atoms; rows without any hold NaN there."""
    weights = [float(row[f"{place}matched"]) for row in rows]
    values = [float(row[f"{place}variance"]) for row in rows]
    return _ratio(sum(w * value for w, value in zip(weights, values, strict=True) if w > 0), sum(weights))


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
