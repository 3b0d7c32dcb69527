"""A CSV file that grows row by row and survives being interrupted."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pann.core import InputError


class RowFile:
    """Rows of one table on disk, each written as soon as it is known.

    Parameters
    ----------
    path : of the CSV file; what it holds already is read, and half a row at its end, left by an interruption, dropped.
    columns : names, in order.
    key : the columns that name a row.

    Raises
    ------
    InputError : the file holds other columns.
    """

    def __init__(self, path: Path, columns: Sequence[str], key: Sequence[str]) -> None:
        self.path = path
        self.columns = list(columns)
        self.key = list(key)
        self.rows: list[dict[str, str]] = []
        if path.is_file():
            self._read()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(",".join(self.columns) + "\n")
        self._known = {self._name(row) for row in self.rows}

    def __contains__(self, row: Mapping[str, Any]) -> bool:
        return self._name(row) in self._known

    def append(self, row: Mapping[str, Any]) -> None:
        """Write `row`; columns that it lacks stay empty."""
        values = {name: _text(row.get(name, "")) for name in self.columns}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(values)
        self.rows.append(values)
        self._known.add(self._name(values))

    def _name(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(_text(row[name]) for name in self.key)

    def _read(self) -> None:
        text = self.path.read_text()
        whole = text[: text.rfind("\n") + 1]
        reader = csv.DictReader(whole.splitlines())
        if reader.fieldnames != self.columns:
            raise InputError(f"{self.path} holds other columns: remove it, or name another output=")
        self.rows = list(reader)
        if whole != text:
            self.path.write_text(whole)


def _text(value: Any) -> str:
    """Short text of a number; the same for 25 and 25.0, so that a key read is a key written."""
    return f"{value:.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
