"""Train a network: `python train.py stage=refiner`, `stage=lattice`, `stage=classifier`, or sweeps with `-m`."""

from pathlib import Path

from pann.training.entry import launch
from pann.training.fit import fit

if __name__ == "__main__":
    launch(fit, Path(__file__).parent / "conf", "train")
