"""Making one shard: the unit of work, of resuming and of repair."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

import h5py
import torch

from pann.core.files import atomic_path
from pann.simulation.datasets.layout import open_shard, write_header, write_sample
from pann.simulation.datasets.plan import Plan
from pann.simulation.sample import random_sample


@dataclass(frozen=True)
class Made:
    """A shard that was written: its number, name, checksum, samples and bytes."""

    shard: int
    name: str
    digest: str
    n_samples: int
    size: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: sums over several differ in the last digit, and with them now and then a count."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def make_shard(plan: Plan, folder: Path, shard: int, progress: bool = False) -> Made:
    """Simulate the samples of shard number `shard` and write them; the same bytes wherever and whenever it runs.

    Images of a scattering tier are kept in ``folder/unfinished`` until the shard is complete.
    """
    path = plan.shard_path(folder, shard)
    unfinished = folder / "unfinished"
    indices = plan.indices(shard)
    # In memory first: HDF5 does not recover when it meets a full disk.
    with one_thread(), h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        write_header(file, {"data_set": plan.digest, "seed": plan.seed, "code_version": plan.code_version})
        for index in indices:
            images = unfinished / f"{index:09d}"
            write_sample(file, index, random_sample(plan.config, plan.seed, index, images=images, progress=progress))
        file.flush()
        content = file.id.get_file_image()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    for index in indices:
        rmtree(unfinished / f"{index:09d}", ignore_errors=True)
    return Made(shard, path.name, sha256(content).hexdigest(), len(indices), len(content))


def holds_all(plan: Plan, path: Path, shard: int) -> bool:
    """Whether the shard holds every sample of the plan: one from before the data set grew may not."""
    with open_shard(path) as file:
        return len(file) == len(plan.indices(shard))
