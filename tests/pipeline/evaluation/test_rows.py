"""Rows outlive interruptions."""

from pathlib import Path

import pytest

from pann.core import InputError
from pann.pipeline.evaluation import RowFile

COLUMNS, KEY = ("name", "dose", "value", "note"), ("name", "dose")


def test_rows_come_back_and_are_known(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "a" / "rows.csv", COLUMNS, KEY)
    assert {"name": "x", "dose": 25.0} not in file
    file.append({"name": "x", "dose": 25.0, "value": 1 / 3, "note": 'a, "b"'})
    again = RowFile(tmp_path / "a" / "rows.csv", COLUMNS, KEY)
    assert again.rows == [{"name": "x", "dose": "25", "value": "0.333333", "note": 'a, "b"'}]
    assert {"name": "x", "dose": 25} in again
    assert {"name": "x", "dose": 50} not in again


def test_half_a_row_is_dropped_and_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("name,dose,value,note\nx,25,1,\ny,5")
    file = RowFile(path, COLUMNS, KEY)
    assert [row["name"] for row in file.rows] == ["x"]
    file.append({"name": "z", "dose": 50, "value": 2})
    assert path.read_text() == "name,dose,value,note\nx,25,1,\nz,50,2,\n"


def test_a_file_of_other_columns_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        RowFile(path, COLUMNS, KEY)
    assert path.read_text() == "a,b\n1,2\n"
