"""Data sets from a configuration: what `scripts/simulate.py` runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from pann.core import ConfigError
from pann.core.files import atomic_path, require_writable
from pann.core.options import refuse_unknown
from pann.report.simulation_page import simulation_page
from pann.simulation.datasets import Estimate, Generated, Plan, estimate, generate
from pann.simulation.noise import Distortions
from pann.simulation.sample import draw_acquisition, simulate

SHOWN_DOSES = (50.0, 500.0, 5000.0)
"""Of the picture page [e/Å² per projection]."""
SHOWN_NOISE = ("clean", "mild", "experimental", "harsh")
AXES = {"structure": "structures", "tilts": "tilts", "noise": "noise"}
"""Key of `conf/simulate.yaml` -> axis of the data set that it replaces by recipes named in `conf/simulation/<key>`."""


def run(cfg: DictConfig, recipes: Path) -> None:
    """Estimate (`dry_run`), or make the data set that `cfg` describes, and show its first sample (`show`).

    Parameters
    ----------
    recipes : folder of the recipes by name, ``conf/simulation``.
    """
    plan = Plan(simulation_values(cfg, recipes), cfg.seed, cfg.n_samples, cfg.shard_size)
    if cfg.dry_run:
        print(describe_estimate(estimate(plan, cfg.workers, progress=True), cfg.workers))
        return
    cluster = None if cfg.cluster is None else instantiate(cfg.cluster)
    if cluster is not None:
        cluster.scale(cfg.workers)
    done = generate(plan, cfg.output, workers=cfg.workers, scheduler=cfg.scheduler, cluster=cluster, progress=True)
    print(describe_generated(done, plan, cfg.output))
    if cfg.show:
        print(f"{show(plan, Path(cfg.output), recipes)} shows sample 0")


def simulation_values(cfg: DictConfig, recipes: Path) -> dict[str, Any]:
    """Plain values of `SimulationConfig`: `cfg.simulation` with the short keys `structure`, `tilts`, ... applied."""
    values: Any = OmegaConf.to_container(cfg.simulation, resolve=True)
    for key, axis in AXES.items():
        if cfg[key] is not None:
            names = [cfg[key]] if isinstance(cfg[key], str) else list(cfg[key])
            values[axis] = {Path(name).stem: recipe(key, name, recipes) for name in names}
    if cfg.dose is not None:
        levels = list(cfg.dose) if OmegaConf.is_list(cfg.dose) else [cfg.dose]
        values["dose"] = {"per": values["dose"].get("per", "projection"), "levels": levels}
    if cfg.tier is not None:
        values["tier"] = recipe("tier", cfg.tier, recipes)
    return values


def recipe(group: str, name: str, recipes: Path) -> dict[str, Any]:
    """The recipe `name` of a group; for a structure also the path of a file of atoms."""
    path = recipes / group / f"{name}.yaml"
    if path.is_file():
        values: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        return values
    if group == "structure" and Path(name).suffix:
        if not Path(name).is_file():
            raise ConfigError(f"structure={name}: there is no such file of atoms")
        atoms = {"kind": "file", "path": str(Path(name).resolve())}
        return {**recipe(group, "file", recipes), "sites": atoms, "orientation": "identity"}
    refuse_unknown(group, [name], [entry.stem for entry in sorted((recipes / group).glob("*.yaml"))])
    raise ConfigError(f"{group}={name} cannot be read")


def describe_estimate(found: Estimate, workers: int) -> str:
    """The estimate as a line for the user."""
    return (
        f"{found.n_samples} samples of {found.images:.0f} images in {found.n_shards} shards: about "
        f"{duration(found.seconds)} on {workers} process{'es' * (workers > 1)}, {found.size / 1e6:.1f} MB "
        f"(from {found.probed} samples; nothing was written)"
    )


def describe_generated(done: Generated, plan: Plan, output: str) -> str:
    """What was done as a line for the user."""
    text = f"{plan.n_samples} samples in {output}: {done.made} made"
    if done.made:
        text += f" in {duration(done.seconds)} ({done.made / done.seconds:.2f} samples/s), {done.size / 1e6:.1f} MB"
    if done.kept_shards:
        text += f"; {done.kept_shards} shards were there"
    if done.repaired:
        text += f"; damaged or grown and made anew: {', '.join(done.repaired[:5])}{' ...' * (len(done.repaired) > 5)}"
    return text


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, whichever suits."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def show(plan: Plan, folder: Path, recipes: Path) -> Path:
    """Write the picture page of sample 0: its particle, its images at three doses and under each noise model."""
    acquisition = draw_acquisition(plan.config, plan.seed, 0)
    doses: dict[str, Any] = {}
    for dose in SHOWN_DOSES:
        doses[f"{dose:g} e/Å²"] = simulate(replace(acquisition, dose=dose)).series
    noises: dict[str, Any] = {}
    drawn: dict[str, Mapping[str, Any]] = {}
    for name in SHOWN_NOISE:
        distortions = Distortions.from_mapping(recipe("noise", name, recipes))
        sample = simulate(replace(acquisition, dose=SHOWN_DOSES[1], distortions=distortions))
        noises[name], drawn[name] = sample.series, sample.drawn
    target = require_writable(folder) / "page.html"
    with atomic_path(target) as temporary:
        temporary.write_text(simulation_page(acquisition.model, doses, noises, drawn))
    return target
