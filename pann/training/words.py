"""Scripts too small for a configuration in files: options from `key=value` words, and the exit status."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pann.core import ConfigError, PannError
from pann.core.options import unknown_name

Options = TypeVar("Options")
USER_ERROR = 2


def options_from_words(kind: type[Options], words: Sequence[str], meaning: Mapping[str, str]) -> Options:
    """An instance of the dataclass `kind` from `words` such as ``radius=1.0``.

    Parameters
    ----------
    kind : dataclass of typed fields; those whose default is OmegaConf's MISSING must be given.
    words : the command line.
    meaning : what each field is, for messages.

    Raises
    ------
    ConfigError : an unknown or missing key, a word that is no pair, or a value of another type.
    """
    known = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    merged = OmegaConf.structured(kind)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} is not of the form key=value: the keys are {', '.join(known)}")
        if key not in known:
            raise unknown_name("key", key, known)
        try:
            merged = OmegaConf.merge(merged, OmegaConf.from_dotlist([word]))
        except (OmegaConfBaseException, ValueError, YAMLError) as error:
            raise ConfigError(f"{key}={value} cannot be read: expected {meaning[key]}") from error
    for key in known:
        if OmegaConf.is_missing(merged, key):
            raise ConfigError(f"{key}= is missing: {meaning[key]}")
    values: Any = OmegaConf.to_container(merged)
    return kind(**values)


def run_words(
    task: Callable[[Options], object], kind: type[Options], words: Sequence[str], meaning: Mapping[str, str], usage: str
) -> int:
    """Print what `task` makes of the options in `words`; returns the exit status.

    `usage` and `meaning` are printed for -h; errors that the user can mend become a line on the error stream.
    """
    if {"-h", "--help"} & set(words):
        width = max(map(len, meaning)) + 3
        print(usage + "\n" + "\n".join(f"  {key + '=':<{width}}{text}" for key, text in meaning.items()))
        return 0
    return exit_status(lambda: print(task(options_from_words(kind, words, meaning))))


def exit_status(task: Callable[[], object]) -> int:
    """Run `task`; returns 0, or `USER_ERROR` after a line on the error stream where the user can mend what is wrong."""
    try:
        task()
    except PannError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    return 0
