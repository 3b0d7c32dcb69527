"""Tables of what the likelihood decided and of what it can tell at best, from the groups of `summary.json`."""

from typing import Any

from pann.report import html


def existence_table(values: dict[str, Any] | None) -> str:
    """Atoms added and removed, and the false-positive rate behind it."""
    if not values:
        return ""
    rows = [
        ["atoms added", f"{values['added']}"],
        ["atoms removed", f"{values['removed']}"],
        ["elements changed", f"{values['renamed']}"],
        ["threshold for a new atom [σ]", f"{values['level']:.2f}"],
        ["false atoms that noise alone adds", f"{values['expected_false']:.2g}"],
        ["threshold for a traced atom [σ]", f"{values['keep_level']:.2f}"],
        ["chance that a false one stays", f"{values['keep_rate']:.2g}"],
        ["independent positions searched", f"{values['independent']:,.0f}"],
        ["spread of the residual [σ], 1 for noise alone", f"{values['spread']:.2f}"],
    ]
    return html.table("Which atoms exist: likelihood-ratio tests", ["", "value"], rows)


def elements_table(values: dict[str, Any] | None) -> str:
    """Bayes error of each pair of elements."""
    if not values:
        return ""
    rows = [
        [pair, f"{entry['separation_sigmas']:.1f}", f"{100 * entry['bayes_error']:.2g} %"]
        for pair, entry in values.items()
    ]
    head = ["elements", "separation [σ]", "least error"]
    return html.table("Telling elements apart by intensity: the Bayes error", head, rows)


def cross_validation_table(values: dict[str, Any] | None) -> str:
    """R-free beside R-work."""
    if not values:
        return ""
    rows = [
        ["R-work", f"{100 * values['r_work']:.2f} %"],
        ["R-free", f"{100 * values['r_free']:.2f} %"],
        ["misfit of fitted images, 1 for noise alone", f"{values['misfit_work']:.4f}"],
        ["misfit of images set aside", f"{values['misfit_free']:.4f}"],
        ["gap", f"{100 * values['overfitting']:.2f} %"],
        ["gap that the number of parameters explains", f"{100 * values['optimism']:.2f} %"],
    ]
    return html.table(f"Cross-validation: one image in {values['every']} set aside", ["", "value"], rows)
