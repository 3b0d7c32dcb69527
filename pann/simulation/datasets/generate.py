"""Making a whole data set, in parallel, resumable at any moment."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from pann.core.errors import ConfigError
from pann.core.files import require_writable
from pann.core.progress import progress_bar
from pann.simulation.datasets.checksums import is_intact, read_checksums, write_checksums
from pann.simulation.datasets.plan import Plan
from pann.simulation.datasets.shard import Made, holds_all, make_shard

WORKER_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1)
"""Of local workers. Dask's own also makes the allocator give memory back at once, which here costs
more than half of the speed."""


@dataclass(frozen=True)
class Generated:
    """What `generate` did: samples and bytes made now, shards that were there, and names of damaged ones remade."""

    made: int
    size: int
    seconds: float
    kept_shards: int
    repaired: tuple[str, ...]


def generate(
    plan: Plan,
    folder: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    cluster: Any = None,
    progress: bool = False,
) -> Generated:
    """Write the shards of `plan` that `folder` lacks, and anew those whose checksum is wrong.

    A shard is renamed into place when it is complete, then listed with its checksum. An interrupted run therefore
    leaves only whole samples; the next one goes on with the first shard that is not listed. The samples, and the bytes
    of the files, do not depend on the number of workers.

    Parameters
    ----------
    workers : local processes (dask.distributed); 1 works in this one.
    scheduler : address of a running dask scheduler, such as tcp://host:8786, whose workers see `folder`.
    cluster : a dask cluster object, such as one of dask-jobqueue, scaled already; in place of `scheduler`.
    progress : show a bar with the rate and the time left.

    Raises
    ------
    ConfigError : `folder` holds another data set; the scheduler does not answer.
    InputError : the disk is full or cannot be written.
    """
    target = require_writable(folder).resolve()
    plan.claim(target)
    listed = read_checksums(target)
    wanted = {shard: plan.shard_path(target, shard) for shard in range(plan.n_shards)}
    intact = {shard for shard, path in wanted.items() if is_intact(path, listed) and holds_all(plan, path, shard)}
    missing = [shard for shard in wanted if shard not in intact]
    repaired = tuple(wanted[shard].name for shard in missing if wanted[shard].name in listed)
    total = sum(len(plan.indices(shard)) for shard in missing)
    alone = workers == 1 and scheduler is None and cluster is None
    # Images of a scattering tier take longer than whole data sets of the linear one: then the bar runs over images.
    by_image = alone and plan.config.scatters
    started, samples, size = monotonic(), 0, 0
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar("simulate", total, enabled=progress and not by_image))
        results: Iterator[Made]
        if alone:
            results = (make_shard(plan, target, shard, progress and by_image) for shard in missing)
        else:
            results = stack.enter_context(_distributed(plan, target, missing, workers, scheduler, cluster))
        for made in results:
            listed[made.name] = made.digest
            write_checksums(target, listed)
            samples, size = samples + made.n_samples, size + made.size
            bar.advance(made.n_samples, status=f"{samples / max(monotonic() - started, 1e-9):.2f} samples/s")
    return Generated(samples, size, monotonic() - started, len(intact), repaired)


@contextmanager
def _distributed(
    plan: Plan, folder: Path, shards: list[int], workers: int, scheduler: str | None, cluster: Any
) -> Iterator[Iterator[Made]]:
    """Results of the workers, as they come; leaving early cancels what has not begun."""
    import dask
    from dask.distributed import Client, LocalCluster, as_completed

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT}))
        if scheduler is None and cluster is None:
            # Port 0: any that is free, for another run beside this one may hold dask's usual one.
            cluster = stack.enter_context(
                LocalCluster(n_workers=min(workers, max(len(shards), 1)), threads_per_worker=1, dashboard_address=":0")
            )
        try:
            client = stack.enter_context(Client(cluster if scheduler is None else scheduler))
        except (OSError, ValueError) as error:
            raise ConfigError(f"scheduler={scheduler} does not answer ({error}): is it running?") from error
        # pure=False: a shard that was made anew is not taken from the memory of the scheduler
        futures = [client.submit(make_shard, plan, folder, shard, pure=False) for shard in shards]

        def results() -> Iterator[Made]:
            for future in as_completed(futures):
                yield future.result()

        try:
            yield results()
        finally:
            client.cancel(futures)
