from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

import pann.refiner.cache as cache
from pann.core import ConfigError
from pann.refiner.cache import (
    cache_folder,
    fill_cache,
    make_example,
    read_example,
    recipe,
    sample_paths,
    write_example,
)
from pann.refiner.data import RefinerData
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.stream import BackgroundFill
from pann.simulation.datasets import DataSet, Plan, generate


@pytest.fixture
def data_config(repository, tmp_path, tiny_simulation):
    """The arguments of RefinerData: the real configuration, shrunk."""
    read = yaml.safe_load((repository / "conf/data/refiner.yaml").read_text())
    sizes = {"patch": 16, "batch_size": 1, "steps_per_epoch": 3, "splits": {"train": 2, "validation": 1, "test": 1}}
    data = {key: value for key, value in read.items() if not key.startswith("_") and key != "defaults"}
    data["reconstruction"]["iterations"] = {key: [2, 2] for key in data["reconstruction"]["methods"]}
    return data | sizes | {"simulation": tiny_simulation, "cache": str(tmp_path), "global_size": 8, "batch_seed": 1}


@pytest.fixture
def plan(data_config):
    return recipe(data_config["simulation"], data_config["reconstruction"], data_config["voxel_size"])


def test_a_sample_is_named_by_its_recipe_seed_and_index(plan):
    one, again, other = make_example(plan, 5, 0), make_example(plan, 5, 0), make_example(plan, 5, 1)
    np.testing.assert_array_equal(one.values, again.values)
    assert one.values.shape != other.values.shape or not np.array_equal(one.values, other.values)
    assert one.heights.mean() == pytest.approx(1.0)
    near = np.linalg.norm(one.positions, axis=1).max()
    assert near < one.voxel_size * min(one.values.shape) / 2


def test_written_samples_come_back(tmp_path, example):
    write_example(tmp_path / "a.npz", example)
    back = read_example(tmp_path / "a.npz")
    for key, value in vars(example).items():
        np.testing.assert_array_equal(getattr(back, key), value)


def test_crystals_are_found_for_samples_that_are_there_and_kept_beside_them(tmp_path, plan, example, monkeypatch):
    monkeypatch.setattr(cache, "make_example", lambda plan, seed, index: example)
    folder = cache_folder(tmp_path, plan)
    (path,) = fill_cache(plan, folder, 1, 1)
    assert read_example(path).crystals is None
    monkeypatch.setattr(cache, "make_example", None)  # the sample is not made again
    assert fill_cache(plan, folder, 1, 1, crystals=True) == [path]
    kept = read_example(path).crystals
    values = torch.from_numpy(example.values.astype(np.float32))
    found = Crystals.of(values, example.voxel_size, example.series)
    for there, here in zip(kept.views(2, 2, True), found.views(2, 2, True), strict=True):
        torch.testing.assert_close(there, here, atol=5e-3, rtol=0)
    assert fill_cache(plan, folder, 1, 1, crystals=True) == [path]


def test_an_interrupted_cache_goes_on_where_it_stopped(tmp_path, plan, example, monkeypatch):
    made = []

    def record(plan, seed, index):
        made.append(index)
        return example

    monkeypatch.setattr(cache, "make_example", record)
    folder = cache_folder(tmp_path, plan)
    fill_cache(plan, folder, 1, 2)
    paths = fill_cache(plan, folder, 1, 4)
    assert made == [0, 1, 2, 3]
    assert all(path.is_file() for path in paths)
    assert cache_folder(tmp_path, plan | {"voxel_size": 0.5}) != folder


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # Lightning 2.6 with torch 2.13
def test_splits_share_no_sample_and_patches_repeat(data_config):
    data = RefinerData(**data_config)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    names = [prepared.example.name for split in data.examples.values() for prepared in split]
    assert len(set(names)) == len(names) == 4
    loaders = [data.train_dataloader().iterables for _ in range(2)]
    first, again = (next(iter(loader["patches"])) for loader in loaders)
    torch.testing.assert_close(first, again)
    assert next(iter(loaders[0]["whole"])).example.name in names
    card = data.describe()
    assert card["samples"] == {"train": 2, "validation": 1, "test": 1}
    assert card["recipe"]["simulation"] == data_config["simulation"]


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")
def test_splits_of_a_data_set_follow_each_other(data_config, tmp_path, tiny_simulation):
    generate(Plan(tiny_simulation, 3, n_samples=4, shard_size=2), tmp_path / "set")
    data = RefinerData(**data_config | {"data_set": str(tmp_path / "set")})
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    stored = DataSet(tmp_path / "set")
    for split, indices in {"train": (0, 1), "validation": (2,), "test": (3,)}.items():
        for prepared, index in zip(data.examples[split], indices, strict=True):
            np.testing.assert_array_equal(prepared.example.images, stored(index).series.images)


def test_only_counts_are_trained_on(plan):
    plan["simulation"] = plan["simulation"] | {"noise": {"none": {"poisson": {"on": False}}}}
    with pytest.raises(ConfigError, match="trains on counts"):
        make_example(plan, 5, 0)


@pytest.mark.parametrize("change", [{"patch": 18}, {"splits": {"train": 1}}])
def test_impossible_data_are_refused(data_config, change):
    with pytest.raises(ConfigError, match=r"data\."):
        RefinerData(**data_config | change)


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")
def test_training_may_start_while_samples_are_made(data_config, example, monkeypatch):
    """The first epoch has the samples it waited for, a later one all of them; another run finds them in the cache."""
    release = Event()

    def slow(plan, folder, seed, count, workers, first, crystals):
        release.wait(10)
        for path in sample_paths(folder, seed, count, first):
            write_example(path, example)
            yield path

    monkeypatch.setattr(cache, "make_example", lambda plan, seed, index: example)
    monkeypatch.setattr("pann.refiner.stream.filled", slow)
    data = RefinerData(**data_config | {"splits": {"train": 4, "validation": 1, "test": 1}, "start": 2})
    data.prepare_data()
    data.setup("fit")
    assert len(data.train_dataloader().iterables["patches"].dataset.sources) == 2
    release.set()
    data._background.join()
    assert len(data.train_dataloader().iterables["patches"].dataset.sources) == 4
    assert data.describe()["samples"]["train"] == 4
    data.teardown("fit")
    assert len(list(data.folder.glob(f"{data.seeds['train']}-*.npz"))) == 4


def test_what_fails_in_the_background_is_raised_where_the_training_looks(tmp_path):
    def broken(path):
        raise ConfigError("no such crystal")

    (tmp_path / "3-00000.npz").touch()
    background = BackgroundFill({}, tmp_path, 3, 1, 1, 0, False, broken)
    with pytest.raises(ConfigError, match="no such crystal"):
        background.join()


def test_several_processes_wait_for_their_samples(data_config, example, monkeypatch):
    """Each would make them all."""
    monkeypatch.setattr(cache, "make_example", lambda plan, seed, index: example)
    data = RefinerData(**data_config | {"splits": {"train": 4, "validation": 1, "test": 1}, "start": 2})
    data.prepare_data()
    data.trainer = SimpleNamespace(world_size=2)
    with pytest.raises(ConfigError, match="only a single process"):
        data.setup("fit")
