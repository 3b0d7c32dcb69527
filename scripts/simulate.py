"""Write simulated tilt series with their true atoms: `python scripts/simulate.py n_samples=20 output=out/simulated`."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pann.io import read_atoms
from pann.simulation import SampleConfig, write_samples
from pann.training.entry import launch


def simulate(cfg: DictConfig) -> None:
    """Write the samples that `cfg` (conf/simulate.yaml) describes."""
    values = OmegaConf.to_container(cfg.simulation, resolve=True, throw_on_missing=True)
    truth = None if cfg.structure is None else read_atoms(cfg.structure)
    written = write_samples(
        SampleConfig.from_mapping(values),
        cfg.output,
        cfg.n_samples,
        seed=cfg.seed,
        first=cfg.first,
        tier=cfg.tier,
        truth=truth,
        progress=True,
    )
    print(f"{len(written)} series in {cfg.output}")


if __name__ == "__main__":
    launch(simulate, Path(__file__).resolve().parents[1] / "conf", "simulate")
