"""Markdown tables of `pann.pipeline.evaluation.elements`."""

from collections.abc import Mapping, Sequence

from pann.pipeline.evaluation.elements import LIMIT, METHODS, OURS, pooled_error
from pann.report.markdown import markdown_table

Row = Mapping[str, str]
ORDER = (*METHODS, OURS)
LEGEND = (
    "Each cell: species accuracy among the matched atoms / right element of all true atoms (within 1.0 Å). All methods "
    "name the same traced atoms. Bayes limit: what the best rule would name rightly from the intensities of all true "
    "atoms, found or not, their composition and scale known, from the Fisher information; it knows nothing of order. "
    "ECE: expected calibration error of the network, 15 bins. Wrong atoms: missed and false ones per 100 true ones, "
    'as traced -> once the network\'s "no atom" are removed.'
)


def element_tables(rows: Sequence[Row], digest: str) -> str:
    """Tables by dose, by series, and by both."""
    mine = [row for row in rows if row["settings"] == digest]
    if not mine:
        return "No case is complete yet.\n"
    parts = [LEGEND, _table(mine, ("dose",)), _table(mine, ("series",)), _table(mine, ("series", "dose"))]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row], keys: tuple[str, ...]) -> str:
    head = [*(f"{key} [e/Å²]" if key == "dose" else key for key in keys), "atoms", *ORDER, LIMIT, "ECE", "wrong atoms"]
    lines = []
    groups = sorted({tuple(row[key] for key in keys) for row in rows}, key=lambda group: [_order(v) for v in group])
    for group in groups:
        inside = [row for row in rows if tuple(row[key] for key in keys) == group]
        by_method = {method: [row for row in inside if row["method"] == method] for method in (*ORDER, LIMIT)}
        if not all(by_method.values()):
            continue
        ours = by_method[OURS]
        cells = [_cell(by_method[method], method == _best(by_method)) for method in ORDER]
        limit = f"{_sum(by_method[LIMIT], 'right') / _sum(by_method[LIMIT], 'n_true'):.3f}"
        error = f"{pooled_error([row['bins'] for row in ours]):.3f}"
        wrong = " -> ".join(f"{100 * _wrong(ours, end):.1f}" for end in ("", "_kept"))
        lines.append([*group, f"{_sum(ours, 'n_true'):.0f}", *cells, limit, error, wrong])
    return markdown_table(head, lines)


def _cell(rows: Sequence[Row], best: bool) -> str:
    right = _sum(rows, "right")
    text = f"{right / max(_sum(rows, 'matched'), 1):.3f} / {right / _sum(rows, 'n_true'):.3f}"
    return f"**{text}**" if best else text


def _best(by_method: Mapping[str, Sequence[Row]]) -> str:
    return max(ORDER, key=lambda method: _sum(by_method[method], "right"))


def _wrong(rows: Sequence[Row], end: str) -> float:
    found, matched = ("n_found", "matched") if not end else ("n_kept", "matched_kept")
    n_true = _sum(rows, "n_true")
    return (n_true - _sum(rows, matched) + _sum(rows, found) - _sum(rows, matched)) / n_true


def _sum(rows: Sequence[Row], name: str) -> float:
    return sum(float(row[name]) for row in rows)


def _order(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return 0.0, value
