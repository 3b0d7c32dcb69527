"""Writing files so that an interruption or a full disk never leaves half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pann.core.errors import InputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the suffix, since many writers choose their format by it.
    Raises InputError when the folder cannot be written or the disk is full.
    """
    target = Path(path)
    if not target.name:
        raise InputError(f"cannot write {target}: it names no file")
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def require_writable(folder: str | Path) -> Path:
    """Create `folder` and check that a file can be written there, before long work starts."""
    path = Path(folder)
    probe = path / f".probe.{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"pann")
    except OSError as error:
        raise InputError(f"output folder {path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return path
