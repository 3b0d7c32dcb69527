"""How long a data set takes and how large it gets, from a few of its samples."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import h5py
import numpy as np

from pann.core.progress import progress_bar
from pann.simulation.datasets.layout import write_header, write_sample
from pann.simulation.datasets.plan import Plan
from pann.simulation.datasets.shard import one_thread
from pann.simulation.sample import draw_acquisition, simulate


@dataclass(frozen=True)
class Estimate:
    """Of a whole data set.

    Attributes
    ----------
    n_samples, n_shards : numbers.
    images : mean number of images of a sample.
    seconds : on `workers` processes.
    size : bytes.
    probed : samples that were made to find out.
    """

    n_samples: int
    n_shards: int
    images: float
    seconds: float
    size: float
    probed: int


def estimate(plan: Plan, workers: int = 1, probes: int = 24, progress: bool = False) -> Estimate:
    """Make `probes` samples, spread over the data set, in a temporary file, and extrapolate.

    A tier that scatters takes too long for that: of each probe only one image is computed, and of fewer probes.
    """
    scatters = plan.config.scatters
    count = min(plan.n_samples, 2 if scatters else probes)
    indices = np.linspace(0, plan.n_samples - 1, count).round().astype(int).tolist()
    seconds, sizes, images = [], [], []
    with TemporaryDirectory() as folder, one_thread(), progress_bar("probe", count + 1, enabled=progress) as bar:
        # The first probe is made twice: it also loads libraries and computes kernels.
        for number, index in enumerate([indices[0], *indices]):
            acquisition = draw_acquisition(plan.config, plan.seed, index)
            whole = len(acquisition.angles)
            if scatters:
                acquisition = replace(acquisition, angles=acquisition.angles[:1])
            started = monotonic()
            sample = simulate(acquisition)
            path = Path(folder) / f"{number}.h5"
            with h5py.File(path, "w") as file:
                write_header(file, {"data_set": plan.digest})
                write_sample(file, index, sample)
            share = sample.series.n_tilts / whole
            seconds.append((monotonic() - started) / share)
            sizes.append(path.stat().st_size / share)
            images.append(whole)
            bar.advance()
    n = plan.n_samples
    return Estimate(
        n_samples=n,
        n_shards=plan.n_shards,
        images=float(np.mean(images[1:])),
        seconds=float(np.mean(seconds[1:])) * n / workers,
        size=float(np.mean(sizes[1:])) * n,
        probed=count,
    )
