"""The run record: what was asked, with which code, before the first step."""

import json
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pann.core.files import atomic_path

PACKAGES = ("pann", "torch", "pytorch-lightning", "numpy", "scipy", "monai", "torch_geometric", "abtem", "hydra-core")


def git_commit(folder: Path) -> str | None:
    """Commit of the checkout that holds `folder`, with "+" when files differ from it; None outside a checkout."""
    try:
        commit = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
        status = subprocess.run(
            ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True, text=True, check=True, timeout=10,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if status else "")


def installed_version(name: str) -> str | None:
    """Version of a package; None where it runs from a folder without being installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def run_facts(seed: int) -> dict[str, Any]:
    """Versions, commit, seed, command, machine and time: plain values."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "seed": seed,
        "commit": git_commit(Path(__file__).parent),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: installed_version(name) for name in PACKAGES},
    }


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain dicts, lists and scalars."""
    container = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    return {str(key): value for key, value in container.items()} if isinstance(container, dict) else {}


def write_run_record(folder: Path, cfg: DictConfig) -> dict[str, Any]:
    """Write the resolved `config.yaml` and `run.json` to `folder`; returns the facts in the latter."""
    facts = run_facts(cfg.seed)
    with atomic_path(folder / "config.yaml") as temporary:
        temporary.write_text(OmegaConf.to_yaml(OmegaConf.create(plain(cfg))))
    with atomic_path(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return facts
