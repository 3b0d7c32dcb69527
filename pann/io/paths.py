"""Finding the file that the user means, and saying clearly when there is none."""

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from pann.core.errors import InputError


def existing_file(path: str | Path) -> Path:
    """`path` as a Path; raises InputError, with similar names of the same folder, when no file is there."""
    source = Path(path).expanduser()
    if source.is_file():
        return source
    if source.is_dir():
        raise InputError(f"{source} is a folder: name a file in it")
    if not source.parent.is_dir():
        raise InputError(f"{source} does not exist: there is no folder {source.parent}")
    names = sorted(entry.name for entry in source.parent.iterdir() if entry.is_file())
    near = get_close_matches(source.name, names, n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise InputError(f"{source} does not exist{hint}")


def known_suffix(path: Path, known: Collection[str], what: str) -> str:
    """The suffix of `path` in lower case; raises InputError, listing `known`, when it is none of them."""
    suffix = path.suffix.lower()
    if suffix not in known:
        shown = f"the suffix {suffix}" if suffix else "a name without suffix"
        raise InputError(f"{path}: {what} cannot have {shown}: expected one of {', '.join(sorted(known))}")
    return suffix
