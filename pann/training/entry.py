"""From the command line to a function: Hydra composes, user errors become one line and exit status 2."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pann.core import PannError
from pann.training.schema import register

USER_ERROR = 2
INTERRUPTED = 130


def launch(task: Callable[[DictConfig], Any], config_dir: Path, config_name: str) -> None:
    """Compose `config_name` of `config_dir` with the command line and call `task` with the result.

    In a sweep the key `output` of the configuration is set to the job's own folder, so that jobs do not share one.
    Exits with status 2 and one line on the error stream when the user can mend what is wrong.
    """
    register()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions through: they are reported here
    folder = str(config_dir.resolve())
    sys.argv[1:] = [leave_out(argument, config_dir) for argument in sys.argv[1:]]

    @hydra.main(version_base="1.3", config_path=folder, config_name=config_name)
    def job(cfg: DictConfig) -> Any:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            cfg.output = HydraConfig.get().runtime.output_dir
        with reported_errors(folder, config_name):
            return task(cfg)

    with reported_errors(folder, config_name):
        job()


def leave_out(argument: str, config_dir: Path) -> str:
    """`group=null` in Hydra's own words, `~group`: it takes null for the value of a key, but not of a group."""
    name, _, value = argument.partition("=")
    return f"~{name}" if value == "null" and name and (config_dir / name).is_dir() else argument


@contextmanager
def reported_errors(config_dir: str, config_name: str) -> Iterator[None]:
    """Turn errors that a user can mend into one line and exit status 2; anything else keeps its traceback."""
    try:
        yield
    except PannError as error:
        _exit(str(error), USER_ERROR)
    except (HydraException, OmegaConfBaseException) as error:
        _exit(explain(error, config_dir, config_name, sys.argv[1:]), USER_ERROR)
    except KeyboardInterrupt:
        _exit("interrupted", INTERRUPTED)


def explain(error: Exception, config_dir: str, config_name: str, arguments: list[str]) -> str:
    """One line for a configuration `error`, with the nearest names where a key or an option is misspelt."""
    cause = _root_cause(error)
    text = str(error)
    if missing := re.search(r"You must specify '([^']+)'", text):
        return f"{missing[1]}= is missing: choose one of {', '.join(_listed_options(text))}"
    if group := re.search(r"Could not find '([^'/]+(?:/[^'/]+)*)/([^'/]+)'", text):
        return f"{group[1]}={group[2]} does not exist: {_hint(group[2], _listed_options(text))}"
    if unknown := re.search(r"Could not override '([^']+)'|Key '([^']+)' is not in struct", text):
        key = unknown[1] or unknown[2]
        return f"unknown option {key}: {_hint(key, _known_keys(key, config_dir, config_name, arguments))}"
    return " ".join((text if cause is error else f"{text} {cause}").split())


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _listed_options(message: str) -> list[str]:
    """The options that Hydra lists, one a line, after `Available options`."""
    _, _, tail = message.partition("Available options")
    return [line.strip() for line in tail.splitlines()[1:] if line.startswith("\t") and line.strip()]


def _hint(name: str, choices: list[str]) -> str:
    near = get_close_matches(name, choices, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose one of {', '.join(choices)}" if choices else "--cfg job lists every option"


def _known_keys(key: str, config_dir: str, config_name: str, arguments: list[str]) -> list[str]:
    """Dotted keys of the configuration, without the refused override of `key`; empty if that fails."""
    kept = [a for a in arguments if "=" in a and not a.startswith(("-", f"{key}="))]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir, version_base="1.3"):
            cfg = compose(config_name, [a for a in kept if "," not in a])
    except (HydraException, OmegaConfBaseException):
        return []
    return list(_dotted(OmegaConf.to_container(cfg, resolve=False)))


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, child in node.items():
            path = f"{prefix}{name}"
            yield path
            yield from _dotted(child, f"{path}.")


def _exit(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
