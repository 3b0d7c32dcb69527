"""Settings of the chain as plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ChainOptions:
    """Settings of the chain by stage; None leaves a stage out. The keys are those of `conf/`."""

    elements: tuple[int, ...]
    alignment: dict[str, Any]
    reconstruction: dict[str, Any]
    refiner: dict[str, Any] | None
    tracing: dict[str, Any]
    classifier: dict[str, Any] | None
    fit: dict[str, Any] | None
    existence: dict[str, Any] | None = None
    cross_validation: int | None = None
    refiner_path: Path | None = None
    classifier_path: Path | None = None
    device: str = "cpu"
    progress: bool = True
