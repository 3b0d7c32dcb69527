"""Layout of the HDF5 files of a data set, version 1.

A shard (``format = "pann-dataset-shard"``) holds successive samples, one group each, named by nine digits. Its
attributes: ``version``, ``data_set`` (hash of the configuration and the seed), ``seed``, ``code_version``. A group has

- ``images`` [tilt, x, y]: unsigned integers where the detector counts (``kind = "counts"``), else float32;
- ``angles`` (n_tilts, 3): nominal phi, theta, psi [deg];
- ``positions`` (n, 3) [Å], ``numbers`` (n,), ``intensities`` (n,) [electrons per projection]: the true atoms;
- ``drawn/``: what else was drawn, ``drawn/true_angles`` among it, as arrays; scalars as attributes;
- attributes ``index``, ``kind``, ``dose`` [e/Å² per projection], ``pixel_size`` [Å], ``name``, and as JSON
  ``microscope``, ``thermal_sigma`` [Å], ``psf`` (sigmas [Å] and weights), ``cross_sections`` [Å²], ``choice``,
  ``structure`` (what was drawn of the particle).

Equal samples make equal bytes: no file holds a time or the name of a machine.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.core.psf import PointSpread
from pann.core.tilt_series import TiltSeries
from pann.io.hdf5 import STORAGE, compact_images, open_hdf5
from pann.io.plain import to_json
from pann.simulation.microscope import Microscope
from pann.simulation.sample import Sample, ThermalSigma

FORMAT = "pann-dataset-shard"
VERSION = 1
PLAIN = {"track_times": False}


def group_name(index: int) -> str:
    """Name of the group of sample `index`."""
    return f"{index:09d}"


def write_header(file: h5py.File, facts: Mapping[str, Any]) -> None:
    """Write the attributes of a shard."""
    file.attrs.update({"format": FORMAT, "version": VERSION, **facts})


def write_sample(file: h5py.File, index: int, sample: Sample) -> None:
    """Write `sample` as number `index`."""
    group = file.create_group(group_name(index))
    series, truth = sample.series, sample.truth
    group.attrs.update(
        index=index,
        kind=series.kind,
        dose=series.dose,
        pixel_size=series.pixel_size,
        name=series.name,
        microscope=json.dumps(sample.microscope.to_dict()),
        thermal_sigma=json.dumps(sample.thermal_sigma),
        psf=json.dumps([sample.psf.sigmas, sample.psf.weights]),
        cross_sections=json.dumps(dict(sample.cross_sections)),
        choice=json.dumps(dict(sample.choice)),
        structure=to_json(truth.metadata, truth.name),
    )
    images = compact_images(series)
    group.create_dataset("images", data=images, chunks=images.shape, **STORAGE)
    # HDF5 finds a compressed chunk its place when the data set is closed, and Python closes it when the last reference
    # goes: not at once where a profiler, such as the one in dask's workers, looks at the frame that holds it.
    file.flush()
    group.create_dataset("angles", data=series.angles, **PLAIN)
    group.create_dataset("positions", data=truth.positions, **PLAIN)
    group.create_dataset("numbers", data=truth.numbers.astype(np.uint8), **PLAIN)
    group.create_dataset("intensities", data=truth.intensities, **PLAIN)
    drawn = group.create_group("drawn")
    for key, value in sample.drawn.items():
        array = np.asarray(value)
        if array.ndim == 0:
            drawn.attrs[key] = value
        elif array.ndim == 3:  # by scan line
            drawn.create_dataset(key, data=array, chunks=array.shape, **STORAGE)
        else:
            drawn.create_dataset(key, data=array, **PLAIN)
        file.flush()  # see above


def read_sample(group: h5py.Group) -> Sample:
    """The sample in `group`, without its expected images."""
    attributes = dict(group.attrs)
    sigmas, weights = json.loads(attributes["psf"])
    drawn: dict[str, Any] = dict(group["drawn"].attrs) | {key: node[()] for key, node in group["drawn"].items()}
    return Sample(
        series=TiltSeries(
            group["images"][()],
            group["angles"][()],
            float(attributes["pixel_size"]),
            kind=attributes["kind"],
            dose=float(attributes["dose"]),
            name=str(attributes["name"]),
        ),
        truth=AtomicModel(
            group["positions"][()],
            group["numbers"][()].astype(np.int64),
            intensities=group["intensities"][()],
            name=str(attributes["name"]),
            metadata=json.loads(attributes["structure"]),
        ),
        microscope=Microscope(**json.loads(attributes["microscope"])),
        thermal_sigma=_by_number(json.loads(attributes["thermal_sigma"])),
        psf=PointSpread(tuple(sigmas), tuple(weights)),
        cross_sections={int(key): value for key, value in json.loads(attributes["cross_sections"]).items()},
        choice=json.loads(attributes["choice"]),
        drawn=drawn,
    )


def _by_number(value: Any) -> ThermalSigma:
    return {int(key): float(sigma) for key, sigma in value.items()} if isinstance(value, dict) else float(value)


@contextmanager
def open_shard(path: Path) -> Iterator[h5py.File]:
    """A shard opened for reading; damage and files of another kind are InputErrors."""
    with open_hdf5(path) as file:
        if file.attrs.get("format") != FORMAT:
            raise InputError(f"{path} is no shard of a data set: its format is {file.attrs.get('format')!r}")
        if int(file.attrs["version"]) > VERSION:
            raise InputError(f"{path} has version {file.attrs['version']}, this PANN reads up to {VERSION}: update it")
        yield file
