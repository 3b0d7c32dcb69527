"""Simulating and reconstructing samples once: one file each, so that an interrupted run goes on where it stopped."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pann.core import ConfigError, InputError, PointSpread
from pann.core.files import atomic_path
from pann.core.progress import progress_bar
from pann.core.random import generator
from pann.refiner.canonical import to_canonical
from pann.refiner.example import Example
from pann.refiner.lattices.bragg import bragg_filtered
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.target import relative_heights
from pann.simulation.datasets import DataSet, sample_source
from pann.tomography import reconstruct
from pann.tomography.reconstruct import Method

FORMAT_VERSION = 3
"""Raised when the content of the files changes its meaning, so that old ones are made anew."""
CRYSTALS_VERSION = 3
"""The same of the files of crystals, which lie beside those of the samples."""


def recipe(
    simulation: Mapping[str, Any],
    reconstruction: Mapping[str, Any],
    voxel_size: float,
    data_set: str | None = None,
) -> dict[str, Any]:
    """Everything that the samples depend on but their seed and index, as plain values.

    With a `data_set`, a folder that `scripts/simulate.py` filled, its samples are taken instead of simulated ones.
    """
    plan = {
        "version": FORMAT_VERSION,
        "simulation": dict(simulation),
        "reconstruction": dict(reconstruction),
        "voxel_size": voxel_size,
    }
    if data_set is not None:
        whole = DataSet(data_set).plan
        plan |= {"simulation": dict(whole.values), "data_set": data_set, "digest": whole.digest}
    return plan


def cache_folder(cache: str | Path, plan: Mapping[str, Any]) -> Path:
    """Folder of the samples of `plan`, named by its hash."""
    text = json.dumps(plan, sort_keys=True)
    return Path(cache) / f"refiner-{sha256(text.encode()).hexdigest()[:12]}"


def make_example(plan: Mapping[str, Any], seed: int, index: int) -> Example:
    """Simulate sample `index` of `seed`, reconstruct it by a method, a point spread and passes drawn at random.

    `plan` is a `recipe`. The reconstruction knows a single core and halo, as a user would guess them, not the truth.
    """
    sample = sample_source(plan["simulation"], seed, plan.get("data_set"))(index)
    if sample.series.kind != "counts":
        raise ConfigError(f"{sample.series.name}: the refiner trains on counts: leave detector noise out")
    method, options = draw_reconstruction(plan["reconstruction"], generator(seed, "reconstruction", index))
    volume = reconstruct(sample.series, method, stop_ratio=None, stall=None, progress=False, **options)
    canonical = to_canonical(volume, plan["voxel_size"])
    scattering = [sample.cross_sections[int(number)] for number in sample.truth.numbers]
    if sample.series.dose is None:
        raise ConfigError(f"{sample.series.name}: a simulated series must know its dose")
    return Example(
        name=sample.series.name,
        values=canonical.values.astype(np.float16),
        lattice=bragg_filtered(torch.tensor(canonical.values), canonical.voxel_size).numpy().astype(np.float16),
        scale=canonical.scale,
        voxel_size=canonical.voxel_size,
        positions=sample.truth.positions,
        heights=relative_heights(scattering),
        images=as_small_integers(sample.series.images),
        angles=sample.series.angles,
        pixel_size=sample.series.pixel_size,
        dose=sample.series.dose,
        method=method,
        iterations=options["iterations"],
    )


def draw_reconstruction(recipes: Mapping[str, Any], rng: np.random.Generator) -> tuple[Method, dict[str, Any]]:
    """A method and its options, as users choose them.

    `recipes` has `methods`, the relative frequency of each; `iterations`, the range of each, drawn log-uniformly;
    `psf_sigma` [Å] and `halo_weight`, ranges that all share.
    """
    weights = np.array(list(recipes["methods"].values()), dtype=float)
    method = str(rng.choice(list(recipes["methods"]), p=weights / weights.sum()))
    low, high = np.log(recipes["iterations"][method])
    psf = PointSpread.core_and_halo(
        rng.uniform(*recipes["psf_sigma"]), halo_weight=rng.uniform(*recipes["halo_weight"])
    )
    return method, {"iterations": round(float(np.exp(rng.uniform(low, high)))), "psf": psf}  # type: ignore[return-value]


def as_small_integers(images: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Counts in two bytes; InputError where they do not fit."""
    if images.max() > np.iinfo(np.uint16).max:
        raise InputError(f"a pixel holds {images.max():.0f} counts: more than {np.iinfo(np.uint16).max} cannot be kept")
    return images.astype(np.uint16)


def write_example(path: Path, example: Example) -> None:
    """Write `example`, without its crystals, as a compressed .npz; never leaves half a file."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **{name: value for name, value in vars(example).items() if name != "crystals"})


def write_crystals(path: Path, crystals: Crystals) -> None:
    """Write `crystals` beside their sample at `path`, likewise."""
    with atomic_path(crystals_path(path)) as temporary:
        np.savez_compressed(temporary, **crystals.arrays())  # type: ignore[arg-type]


def read_example(path: Path) -> Example:
    """Read what `write_example` wrote, and the crystals if they lie beside it."""
    with np.load(path) as file:
        example = Example(**{key: file[key] if file[key].ndim else file[key].item() for key in file.files})
    if crystals_path(path).is_file():
        with np.load(crystals_path(path)) as file:
            example.crystals = Crystals.of_arrays({key: file[key] for key in file.files})
    return example


def crystals_path(path: Path) -> Path:
    """Where the crystals of the sample at `path` are kept."""
    return path.with_name(f"{path.stem}.crystals-{CRYSTALS_VERSION}.npz")


def fill_cache(
    plan: Mapping[str, Any],
    folder: Path,
    seed: int,
    count: int,
    workers: int = 1,
    first: int = 0,
    crystals: bool = False,
) -> list[Path]:
    """Make the samples `first` ... `first` + `count` − 1 of `seed` that `folder` lacks; returns the paths of all.

    With `crystals`, look for those of each, too.
    """
    paths = sample_paths(folder, seed, count, first)
    missing = {path for path in paths if not _is_there(path, crystals)}
    if missing:
        with progress_bar(f"Simulating {len(missing)} samples", len(missing)) as bar:
            for path in filled(plan, folder, seed, count, workers, first, crystals):
                bar.advance(path in missing)
    return paths


def _is_there(path: Path, crystals: bool) -> bool:
    return path.is_file() and (not crystals or crystals_path(path).is_file())


def sample_paths(folder: Path, seed: int, count: int, first: int = 0) -> list[Path]:
    """Files of the samples `first` ... `first` + `count` − 1 of `seed`."""
    return [folder / f"{seed}-{index:05d}.npz" for index in range(first, first + count)]


def filled(
    plan: Mapping[str, Any],
    folder: Path,
    seed: int,
    count: int,
    workers: int = 1,
    first: int = 0,
    crystals: bool = False,
) -> Iterator[Path]:
    """The paths of `sample_paths`, each once its file is there: first those that are, then the others as made."""
    paths = dict(enumerate(sample_paths(folder, seed, count, first), first))
    missing = {index: path for index, path in paths.items() if not _is_there(path, crystals)}
    yield from (path for index, path in paths.items() if index not in missing)
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / "recipe.json") as temporary:
        temporary.write_text(json.dumps(plan, indent=2) + "\n")
    workers = min(workers, len(missing))
    if workers <= 1:
        for index, path in missing.items():
            yield _make(plan, seed, index, path, crystals)
        return
    with _pool(workers) as pool:
        tasks = [pool.submit(_make, plan, seed, index, path, crystals) for index, path in missing.items()]
        for done in as_completed(tasks):
            yield done.result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _make(plan: Mapping[str, Any], seed: int, index: int, path: Path, crystals: bool) -> Path:
    if not path.is_file():
        write_example(path, make_example(plan, seed, index))
    if not _is_there(path, crystals):
        example = read_example(path)
        values = torch.from_numpy(example.values.astype(np.float32))
        write_crystals(path, Crystals.of(values, example.voxel_size, example.series))
    return path
