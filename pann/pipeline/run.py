"""One inference run, from a configuration to a folder of results."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

import pann
from pann.core import CheckpointError, ConfigError, TiltSeries
from pann.core.elements import atomic_number
from pann.core.files import require_writable
from pann.io import read_atoms, read_tilt_series
from pann.pipeline.chain import ChainResult, run_chain
from pann.pipeline.clock import Clock
from pann.pipeline.options import ChainOptions
from pann.pipeline.outputs import summarise, write_outputs
from pann.pipeline.prepare import prepare
from pann.training.record import plain, write_run_record

REPOSITORY = Path(pann.__file__).resolve().parents[1]


def run(cfg: DictConfig) -> ChainResult:
    """Read the series that `cfg` names, run the chain, and write the results to `cfg.output`.

    Everything that can be wrong with the input is found before the output folder is made.

    Parameters
    ----------
    cfg : composed from `conf/infer.yaml`.

    Raises
    ------
    PannError : what the user gave cannot be used; the message says what and how to mend it.
    """
    if OmegaConf.is_missing(cfg, "input"):
        raise ConfigError("input= is missing: name a tilt series, such as input=data/demo/series.h5")
    values = plain(cfg)
    torch.manual_seed(cfg.seed)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    clock = Clock(verbose=cfg.progress)
    with clock.step("read", str(cfg.input)):
        series = read_input(values)
        truth = None if cfg.truth is None else read_atoms(cfg.truth)
        stages = prepare(chain_options(values))
    output = require_writable(cfg.output)
    write_run_record(output, cfg)
    result = run_chain(series, stages, clock)
    with clock.step("score", "bounds and figures"):
        summary = summarise(result, clock, truth)
    paths = write_outputs(output, result, summary)
    _say(result, summary, paths)
    return result


def read_input(values: dict[str, Any]) -> TiltSeries:
    """The tilt series that the configuration `values` name."""
    keys = ("angles", "angle_sign", "key", "angles_key", "views_axis", "pixel_size", "dose", "kind")
    return read_tilt_series(values["input"], **{key: values[key] for key in keys})


def chain_options(values: dict[str, Any]) -> ChainOptions:
    """Options of the chain from configuration `values`."""
    named = values["elements"] or []
    if isinstance(named, str):
        named = [part for part in named.replace(" ", ",").split(",") if part]
    elements = tuple(dict.fromkeys(atomic_number(element) for element in named))
    stages = ("alignment", "reconstruction", "refiner", "tracing", "classifier", "fit", "existence")
    groups = {key: values[key] for key in stages}
    return ChainOptions(
        elements=elements,
        refiner_path=_checkpoint(values, "refiner") if groups["refiner"] else None,
        classifier_path=_checkpoint(values, "classifier") if elements and _is_network(groups["classifier"]) else None,
        device=_device(values["device"]),
        progress=values["progress"],
        cross_validation=values["cross_validation"],
        **groups,
    )


def _is_network(classifier: dict[str, Any] | None) -> bool:
    return classifier is not None and classifier["method"] == "network"


def _checkpoint(values: dict[str, Any], stage: str) -> Path:
    """The file of a stage's weights: its own option, else the folder ckpt, looked for in the checkout as well."""
    if values[f"{stage}_ckpt"]:
        return Path(values[f"{stage}_ckpt"])
    folder = Path(values["ckpt"])
    if not folder.is_dir() and not folder.is_absolute() and (REPOSITORY / folder).is_dir():
        folder = REPOSITORY / folder
    path = folder / f"{stage}.safetensors"
    if not path.is_file():
        raise CheckpointError(f"ckpt={values['ckpt']}: there is no {stage}.safetensors; or leave it out: {stage}=null")
    return path


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device={name} cannot be used here ({str(error).splitlines()[0]}): try device=cpu") from None
    return name


def _say(result: ChainResult, summary: dict[str, Any], paths: dict[str, Path]) -> None:
    console = Console(stderr=True, highlight=False)
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/yellow] {warning}")
    counts = ", ".join(f"{n} {name}" for name, n in summary["atoms"].items() if name != "total")
    print(f"{summary['atoms']['total']} atoms ({counts})")
    if result.existence is not None:
        print(f"likelihood tests added {result.existence.added} atoms and removed {result.existence.removed}")
    if result.fit is not None:
        print(
            f"R-factor {result.fit.r_factor_before:.4f} -> {result.fit.r_factor_after:.4f}, "
            f"Cramér-Rao bound {result.fit.bound_pm:.1f} pm"
        )
    if summary["truth"] is not None:
        truth = summary["truth"]
        print(
            f"against the truth: recovery {truth['recovery']:.4f}, precision {truth['precision']:.4f}, "
            f"RMSD {truth['rmsd_pm']:.1f} pm"
        )
    for name in ("model", "report", "summary"):
        print(f"{name}: {paths[name]}")
