"""Markdown tables, as scripts and evaluations print them."""

from collections.abc import Iterable, Sequence


def markdown_row(cells: Iterable[object]) -> str:
    """One line of a table: `cells` as `str` writes them, which must hold no line break and no bar."""
    return "| " + " | ".join(map(str, cells)) + " |"


def markdown_table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table without a newline at its end; without `rows`, what stands above them.

    Parameters
    ----------
    head : names of the columns.
    rows : cells of each line, as many as `head` has.
    """
    return "\n".join(map(markdown_row, (head, ["---"] * len(head), *rows)))
