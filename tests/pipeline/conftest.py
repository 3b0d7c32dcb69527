"""A tiny series with its truth, and tiny untrained networks: enough to run the whole chain in seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pann.classifier.net import CandidateTransformer
from pann.core import AtomicModel, TiltSeries
from pann.core.random import generator
from pann.io import Weights, save_weights, write_atoms, write_tilt_series
from pann.refiner import GlobalLocalResUNet
from pann.simulation import Microscope, Views
from pann.simulation.imaging.linear import LinearTier

PIXEL = 0.4
DOSE = 3e4


def lattice() -> AtomicModel:
    """27 atoms of nickel and platinum on a stretched simple cubic lattice."""
    grid = np.stack(np.meshgrid(*[np.arange(3) - 1] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = generator(1, "jitter").normal(0, 0.1, (27, 3))
    numbers = np.where(np.arange(27) % 3 == 0, 78, 28)
    return AtomicModel(grid * [2.8, 2.9, 3.0] + jitter, numbers=numbers, name="tiny")


@pytest.fixture(scope="session")
def truth() -> AtomicModel:
    return lattice()


@pytest.fixture(scope="session")
def series(truth: AtomicModel) -> TiltSeries:
    tilts = np.arange(-70, 71, 10.0)
    fraction = LinearTier().fractions(truth, Views(tilts, (36, 34), PIXEL), Microscope())
    counts = generator(2, "noise").poisson(fraction * DOSE * PIXEL**2 + 0.3)
    return TiltSeries(counts, tilts, PIXEL, dose=DOSE, name="tiny")


@pytest.fixture(scope="session")
def workplace(
    tmp_path_factory: pytest.TempPathFactory, series: TiltSeries, truth: AtomicModel, repository: Path
) -> Path:
    """A folder with series.h5, truth.xyz and ckpt/ of untrained networks."""
    folder = tmp_path_factory.mktemp("inference")
    write_tilt_series(folder / "series.h5", series)
    write_atoms(folder / "truth.xyz", truth)
    torch.manual_seed(0)
    cards = {"refiner": {"data": {"recipe": {"voxel_size": 0.4}, "sigma": 0.5}}, "classifier": {}}
    for stage, network in (("refiner", GlobalLocalResUNet), ("classifier", CandidateTransformer)):
        arguments = yaml.safe_load((repository / f"conf/model/{stage}_tiny.yaml").read_text())
        arguments = {key: value for key, value in arguments.items() if not key.startswith("_")}
        weights = Weights(stage, arguments, network(**arguments).state_dict(), cards[stage])
        save_weights(folder / "ckpt" / f"{stage}.safetensors", weights)
    return folder


Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def infer(
    workplace: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Cli:
    """Run infer.py with the given options in `tmp_path`; returns its exit status and what it printed."""
    from pann.pipeline import register, run
    from pann.training.entry import launch

    def call(*options: str) -> tuple[int, str]:
        defaults = [f"input={workplace / 'series.h5'}", f"ckpt={workplace / 'ckpt'}", "elements=[Ni,Pt]"]
        defaults += [f"output={tmp_path / 'out'}", "progress=false"]
        named = {option.partition("=")[0].lstrip("+~") for option in options}
        arguments = [option for option in defaults if option.partition("=")[0] not in named]
        monkeypatch.setattr("sys.argv", ["infer.py", *arguments, *options])
        monkeypatch.chdir(tmp_path)
        register()
        status = 0
        try:
            launch(run, repository / "conf", "infer")
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call
