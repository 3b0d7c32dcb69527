"""Checksums of the files of a folder, in the format that ``sha256sum --check`` reads."""

from hashlib import file_digest
from pathlib import Path

from pann.core.errors import InputError
from pann.core.files import atomic_path

NAME = "checksums.sha256"


def checksum(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_checksums(folder: Path) -> dict[str, str]:
    """Checksums by file name; none where `folder` has no list.

    Raises
    ------
    InputError : the list is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return {}
    entries = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        digest, separator, name = line.partition("  ")
        if len(digest) != 64 or not separator or not name:
            raise InputError(f"{path}, line {number} is damaged: delete the file, the shards are then made anew")
        entries[name] = digest
    return entries


def write_checksums(folder: Path, entries: dict[str, str]) -> None:
    """Write the list, sorted by name."""
    with atomic_path(folder / NAME) as temporary:
        temporary.write_text("".join(f"{entries[name]}  {name}\n" for name in sorted(entries)))


def is_intact(path: Path, entries: dict[str, str]) -> bool:
    """Whether `path` is there, listed, and as it was written."""
    return path.name in entries and path.is_file() and checksum(path) == entries[path.name]
