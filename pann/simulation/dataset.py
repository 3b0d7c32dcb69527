"""Random series on disk: one HDF5 tilt series and one truth file each."""

import json
from dataclasses import asdict
from pathlib import Path

from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError
from pann.core.files import atomic_path, require_writable
from pann.core.progress import progress_bar
from pann.io import write_atoms, write_tilt_series
from pann.simulation.sample import SampleConfig, Tier, random_sample

RECORD = "simulation.json"
"""File that holds the settings of a folder of samples."""


def sample_paths(folder: Path, index: int) -> tuple[Path, Path]:
    """Paths of the series and of the truth of sample `index`."""
    return folder / f"sample_{index:06d}.h5", folder / f"sample_{index:06d}_truth.xyz"


def write_samples(
    config: SampleConfig,
    folder: str | Path,
    n_samples: int,
    *,
    seed: int = 0,
    first: int = 0,
    tier: Tier = "linear",
    truth: AtomicModel | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write samples `first` to `first + n_samples - 1` into `folder`; samples that are there already are kept.

    Parameters
    ----------
    truth : image this model, moved so that its mean position is the rotation centre, instead of random particles.

    Returns
    -------
    Paths of the series.

    Raises
    ------
    ConfigError : the folder holds samples of other settings or of another seed.
    """
    if n_samples < 1 or first < 0:
        raise ConfigError(f"n_samples is {n_samples} and first {first}: expected at least 1 and 0")
    if truth is not None:
        truth = truth.replace(positions=truth.positions - truth.positions.mean(axis=0))
    target = require_writable(folder)
    _claim(target, config, seed, tier, truth)
    written = []
    # One PRISM series takes longer than a whole linear data set: then the bar runs over its images.
    by_series = tier == "linear"
    with progress_bar("simulate", n_samples, enabled=progress and by_series) as bar:
        for index in range(first, first + n_samples):
            series_path, truth_path = sample_paths(target, index)
            if not (series_path.is_file() and truth_path.is_file()):
                sample = random_sample(config, seed, index, tier=tier, truth=truth, progress=progress and not by_series)
                write_atoms(truth_path, sample.truth)
                write_tilt_series(series_path, sample.series)
            written.append(series_path)
            bar.advance(status=series_path.name)
    return written


def _claim(folder: Path, config: SampleConfig, seed: int, tier: Tier, truth: AtomicModel | None) -> None:
    """Record the settings in `folder`, or check that they are those of the samples in it."""
    structure = None if truth is None else {"name": truth.name, "positions": truth.positions.tolist()}
    settings = json.dumps({"simulation": asdict(config), "seed": seed, "tier": tier, "structure": structure}, indent=1)
    record = folder / RECORD
    if record.is_file() and record.read_text() != settings:
        raise ConfigError(f"{folder} holds samples of other settings (see {record}): choose another output folder")
    with atomic_path(record) as temporary:
        temporary.write_text(settings)
