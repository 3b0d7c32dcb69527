import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pann.core import ConfigError, InputError
from pann.simulation.config import SimulationConfig
from pann.simulation.datasets import DataSet, Plan, estimate, generate, sample_source
from pann.simulation.datasets.checksums import NAME, read_checksums
from pann.simulation.sample import random_sample

SEED = 11


@pytest.fixture
def plan(small_values: dict[str, Any]) -> Plan:
    """Seven samples in three shards."""
    return Plan(small_values, SEED, n_samples=7, shard_size=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A disk that is full after `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_samples_come_back_from_disk(plan: Plan, tmp_path: Path) -> None:
    done = generate(plan, tmp_path)
    assert (done.made, done.kept_shards, done.repaired) == (7, 0, ())
    data = DataSet(tmp_path)
    assert len(data) == 7
    for index in (0, 2, 6):
        read, made = data(index), random_sample(plan.config, SEED, index)
        np.testing.assert_array_equal(read.series.images, made.series.images)
        np.testing.assert_array_equal(read.truth.positions, made.truth.positions)
        assert read.truth.species == made.truth.species
        assert read.series.kind == made.series.kind
        assert (read.microscope, read.psf, read.choice) == (made.microscope, made.psf, made.choice)
        assert read.thermal_sigma == pytest.approx(made.thermal_sigma)
        assert read.cross_sections == made.cross_sections
        assert set(read.drawn) == set(made.drawn)
        for key, value in made.drawn.items():
            np.testing.assert_array_equal(read.drawn[key], value, err_msg=key)
    with pytest.raises(InputError, match="holds 7 samples"):
        data(7)


def test_the_bytes_do_not_depend_on_the_number_of_workers(plan: Plan, tmp_path: Path) -> None:
    generate(plan, tmp_path / "one")
    generate(plan, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_bytes_do_not_depend_on_when_python_closes_the_arrays(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profiler in another thread, such as dask's, holds references for a while."""
    generate(plan, tmp_path / "at_once")
    held: list[object] = []
    create = h5py.Group.create_dataset

    def create_and_hold(*args: Any, **options: Any) -> h5py.Dataset:
        held.append(create(*args, **options))
        return held[-1]

    monkeypatch.setattr(h5py.Group, "create_dataset", create_and_hold)
    generate(plan, tmp_path / "late")
    assert held
    assert contents(tmp_path / "at_once") == contents(tmp_path / "late")


def test_a_damaged_shard_is_found_and_remade(plan: Plan, tmp_path: Path) -> None:
    generate(plan, tmp_path)
    whole = contents(tmp_path)
    path = plan.shard_path(tmp_path, 1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    plan.shard_path(tmp_path, 2).unlink()
    done = generate(plan, tmp_path)
    assert (done.made, done.kept_shards) == (4, 1)
    assert done.repaired == ("shard_000001.h5", "shard_000002.h5")
    assert contents(tmp_path) == whole


def test_a_shard_that_was_not_listed_is_made_again(plan: Plan, tmp_path: Path) -> None:
    """A run that was killed between writing a shard and listing it leaves this behind."""
    generate(plan, tmp_path)
    whole = contents(tmp_path)
    lines = (tmp_path / NAME).read_text().splitlines(keepends=True)
    (tmp_path / NAME).write_text("".join(lines[:-1]))
    done = generate(plan, tmp_path)
    assert (done.made, done.repaired) == (1, ())
    assert contents(tmp_path) == whole


def test_a_data_set_grows_and_is_not_mixed_with_another(
    plan: Plan, small_values: dict[str, Any], tmp_path: Path
) -> None:
    generate(Plan(small_values, SEED, n_samples=2, shard_size=3), tmp_path)
    generate(plan, tmp_path)
    assert len(DataSet(tmp_path)) == 7
    assert len(read_checksums(tmp_path)) == 3
    np.testing.assert_array_equal(DataSet(tmp_path)(2).series.images, random_sample(plan.config, SEED, 2).series.images)
    for other in (
        Plan(small_values, SEED + 1, 7, 3),
        Plan(small_values, SEED, 7, 4),
        Plan(small_values | {"margin": 3.5}, SEED, 7, 3),
    ):
        with pytest.raises(ConfigError, match="other settings"):
            generate(other, tmp_path)


def test_a_full_disk_is_one_line_and_leaves_no_half_shard(plan: Plan, tmp_path: Path) -> None:
    with file_size_limit(20_000), pytest.raises(InputError, match="cannot write"):
        generate(plan, tmp_path)
    assert [path.name for path in tmp_path.glob("*shard*")] == []
    assert generate(plan, tmp_path).made == 7


@pytest.mark.parametrize("text", ["", "{", '{"simulation": {}}'])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no data set"):
        DataSet(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(InputError, match="damaged"):
        DataSet(tmp_path)


def test_a_damaged_list_of_checksums_is_named(plan: Plan, tmp_path: Path) -> None:
    generate(plan, tmp_path)
    (tmp_path / NAME).write_text("nothing\n")
    with pytest.raises(InputError, match="line 1"):
        generate(plan, tmp_path)


def test_a_scheduler_that_does_not_answer_is_an_error(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not answer"):
        generate(plan, tmp_path, scheduler="nonsense://here")


@pytest.mark.parametrize(("n_samples", "shard_size"), [(0, 3), (3, 0)])
def test_an_empty_plan_is_refused(small_values: dict[str, Any], n_samples: int, shard_size: int) -> None:
    with pytest.raises(ConfigError, match="at least 1 sample"):
        Plan(small_values, 0, n_samples, shard_size)


def test_the_estimate_writes_nothing_and_scales(plan: Plan, small_values: dict[str, Any], tmp_path: Path) -> None:
    few = estimate(plan, probes=3)
    many = estimate(Plan(small_values, SEED, n_samples=700, shard_size=3), workers=2, probes=3)
    assert (few.n_samples, few.n_shards, few.probed) == (7, 3, 3)
    assert (many.n_samples, many.n_shards) == (700, 234)
    generate(plan, tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.glob("shard_*.h5"))
    assert few.size == pytest.approx(size, rel=0.5)
    assert many.size == pytest.approx(100 * few.size, rel=0.5)
    assert few.seconds > 0


def test_training_reads_the_same_samples_as_it_would_simulate(
    plan: Plan, small_values: dict[str, Any], tmp_path: Path
) -> None:
    generate(plan, tmp_path)
    stored, simulated = sample_source({}, 0, tmp_path), sample_source(small_values, SEED)
    np.testing.assert_array_equal(stored(4).series.images, simulated(4).series.images)


def test_a_grid_holds_every_combination(small_values: dict[str, Any]) -> None:
    ((name, recipe),) = small_values["structures"].items()
    ((tilts, scheme),) = small_values["tilts"].items()
    grid = small_values | {
        "order": "grid",
        "structures": {name: recipe, "second": recipe},
        "tilts": {tilts: scheme, "other": scheme},
        "dose": {"levels": [50, 500, 5000]},
    }
    config = SimulationConfig.from_mapping(grid)
    choices = [config.choice(0, index) for index in range(24)]
    assert len(set(choices[:12])) == 12
    assert choices[12:] == choices[:12]
    assert {choice.dose for choice in choices} == {50, 500, 5000}
    assert random_sample(config, 0, 5).series.dose == choices[5].dose
