"""Names and types of the keys of the inference configuration; the values live in `conf/`."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class InferConfig:
    """What `pann.pipeline.run` reads; `conf/infer.yaml` says what each key means."""

    input: str = MISSING
    angles: Any = MISSING
    angle_sign: int = MISSING
    key: str | None = MISSING
    angles_key: str | None = MISSING
    views_axis: int | None = MISSING
    pixel_size: float | None = MISSING
    dose: float | None = MISSING
    kind: str | None = MISSING
    elements: Any = MISSING
    ckpt: str = MISSING
    refiner_ckpt: str | None = MISSING
    classifier_ckpt: str | None = MISSING
    output: str = MISSING
    truth: str | None = MISSING
    cross_validation: int | None = MISSING
    seed: int = MISSING
    device: str = MISSING
    threads: int | None = MISSING
    progress: bool = MISSING
    alignment: Any = MISSING
    reconstruction: Any = MISSING
    refiner: Any = None
    tracing: Any = MISSING
    classifier: Any = None
    fit: Any = None
    existence: Any = None


def register() -> None:
    """Make the schema known to Hydra under the name that `conf/infer.yaml` uses."""
    ConfigStore.instance().store(name="infer_schema", node=InferConfig)
