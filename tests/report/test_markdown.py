"""Markdown tables to the character."""

from pann.report.markdown import markdown_row, markdown_table


def test_cells_are_written_as_str_does() -> None:
    assert markdown_row(("a", 1, 2.5)) == "| a | 1 | 2.5 |"
    assert markdown_row(cell for cell in "ab") == "| a | b |"


def test_a_table_is_its_head_a_rule_and_its_rows() -> None:
    assert markdown_table(("dose", "n"), ([dose, 3] for dose in (50, 100))) == (
        "| dose | n |\n| --- | --- |\n| 50 | 3 |\n| 100 | 3 |"
    )


def test_without_rows_the_head_stands_alone() -> None:
    assert markdown_table(["dose"], []) == "| dose |\n| --- |"
