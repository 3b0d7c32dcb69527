"""Which samples a data set holds, and in which shard each lies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, Self

from pann import __version__
from pann.core.errors import ConfigError, InputError
from pann.core.files import atomic_path
from pann.simulation.config import SimulationConfig
from pann.simulation.datasets.layout import VERSION

RECORD = "dataset.json"


@dataclass(frozen=True, eq=False)
class Plan:
    """A data set of `n_samples` samples, `shard_size` in each file.

    Attributes
    ----------
    values : plain values of the `SimulationConfig`.
    seed : of all samples.
    n_samples, shard_size : the last shard may hold fewer.
    """

    values: Mapping[str, Any]
    seed: int
    n_samples: int
    shard_size: int
    code_version: str = field(default=__version__)

    def __post_init__(self) -> None:
        if self.n_samples < 1 or self.shard_size < 1 or self.seed < 0:
            raise ConfigError(
                f"n_samples={self.n_samples}, shard_size={self.shard_size}, seed={self.seed}: "
                "expected at least 1 sample in at least one shard, and a seed of 0 or more"
            )

    @cached_property
    def config(self) -> SimulationConfig:
        """The configuration, checked."""
        return SimulationConfig.from_mapping(self.values)

    @property
    def digest(self) -> str:
        """Hash of all that the samples depend on but their number."""
        return self.config.digest(self.seed, VERSION)

    @property
    def n_shards(self) -> int:
        """Number of files."""
        return ceil(self.n_samples / self.shard_size)

    def shard_path(self, folder: Path, shard: int) -> Path:
        """File of shard number `shard`."""
        return folder / f"shard_{shard:06d}.h5"

    def indices(self, shard: int) -> range:
        """Numbers of the samples of a shard."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.n_samples))

    def claim(self, folder: Path) -> None:
        """Record the plan in `folder`, or check that what lies there is of the same data set.

        A data set may grow; a seed, another option or another size of the shards makes another one.

        Raises
        ------
        ConfigError : `folder` holds another data set.
        """
        path = folder / RECORD
        if path.is_file():
            there = self.read(folder)
            if (there.digest, there.shard_size) != (self.digest, self.shard_size):
                raise ConfigError(f"{folder} holds a data set of other settings (see {path}): choose another output")
            if there.n_samples >= self.n_samples:
                return
        record = {
            "format": "pann-dataset",
            "version": VERSION,
            "data_set": self.digest,
            "seed": self.seed,
            "n_samples": self.n_samples,
            "shard_size": self.shard_size,
            "code_version": self.code_version,
            "simulation": self.values,
        }
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan that `claim` recorded; InputError where there is none or it is damaged."""
        path = folder / RECORD
        if not path.is_file():
            raise InputError(f"{folder} holds no data set: {RECORD} is missing; make one with scripts/simulate.py")
        try:
            record = json.loads(path.read_text())
            return cls(
                record["simulation"],
                int(record["seed"]),
                int(record["n_samples"]),
                int(record["shard_size"]),
                str(record["code_version"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error!r}): write it again with scripts/simulate.py") from error
