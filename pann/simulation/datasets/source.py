"""Where training gets its samples: a data set on disk, or the simulation itself."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pann.core.errors import InputError
from pann.simulation.config import SimulationConfig
from pann.simulation.datasets.layout import group_name, open_shard, read_sample
from pann.simulation.datasets.plan import Plan
from pann.simulation.sample import Sample, random_sample

SampleSource = Callable[[int], Sample]
"""Number of a sample -> the sample; always the same one."""


class DataSet:
    """The samples of a folder that `pann.simulation.datasets.generate` filled.

    Raises
    ------
    InputError : the folder holds no data set, a shard is missing, or an index lies outside.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.plan = Plan.read(self.folder)

    def __len__(self) -> int:
        return self.plan.n_samples

    def __call__(self, index: int) -> Sample:
        """Sample number `index`, without its expected images."""
        if not 0 <= index < len(self):
            raise InputError(f"{self.folder} holds {len(self)} samples, number {index} is asked for: make more of them")
        path = self.plan.shard_path(self.folder, index // self.plan.shard_size)
        with open_shard(path) as file:
            name = group_name(index)
            if name not in file:
                raise InputError(f"{path} lacks sample {index}: run scripts/simulate.py again, it repairs the data set")
            return read_sample(file[name])


def sample_source(simulation: Mapping[str, Any], seed: int, data_set: str | Path | None = None) -> SampleSource:
    """Samples of the data set in a folder, or else simulated when they are asked for.

    Parameters
    ----------
    simulation, seed : see `pann.simulation.config.SimulationConfig`; not used with `data_set`.
    data_set : folder.
    """
    if data_set is not None:
        return DataSet(data_set)
    return partial(random_sample, SimulationConfig.from_mapping(simulation), seed)
