import re
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

with warnings.catch_warnings():
    # torch_geometric scripts a few functions while it is imported, which recent torch calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pann.classifier.data import NOT_AN_ATOM, read_particle
    from pann.classifier.features import FeatureConfig, n_features

from pann.core import CheckpointError, ConfigError, Volume
from pann.core.elements import atomic_number
from pann.io import Weights, read_atoms, save_weights
from pann.refiner import GlobalLocalResUNet, Refined
from pann.refiner.odds import Odds
from pann.refiner.target import gaussian_atoms
from pann.training.schema import register
from pann.training.traced import SPLIT_STRIDE, TracedClassifierData, make_particles
from pann.training.traced_particle import (
    Recipe,
    drawn_sample,
    make_particle,
    reconstructed,
    refined_peaks,
    tracing_options,
)

FEATURES = {"order": 2, "radius": 1.7, "intensity_radius": 1.2, "radii": [0.8], "local_radius": 10.0}


@pytest.fixture(scope="module")
def recipe(tiny_simulation):
    particle = tiny_simulation["structures"]["small"] | {"n_atoms": 60}
    larger = {
        "structures": {"particle": particle},
        "tilts": {"wide": {"kind": "single", "limit": 70, "n_tilts": 25}},
        "pixel_size": 0.45,
        "dose": {"levels": [3e3]},
    }
    return {
        "simulation": tiny_simulation | larger,
        "seed": 5,
        "reconstruction": {"method": "poisson", "iterations": 10},
        "psf_sigma": [0.35, 0.4],
        "blurred": 0.0,
        "smoothing": {"raw": [0.3, 0.4], "refined": [0.2, 0.2]},
        "bond_share": 0.6,
        "least_distance": 1.5,
        "weakest_peak": 0.25,
        "loose": 1.0,
        "loose_factor": [0.5, 0.5],
        "imageless": 0.0,
        "match_radius": 1.0,
        "features": FEATURES,
    }


@pytest.fixture(scope="module")
def made(recipe, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    data = TracedClassifierData(
        cache=cache, workers=1, recipe=recipe, splits={"train": 1, "validation": 1, "test": 0},
        graph={}, batch_size=1, steps_per_epoch=2, augment=0.0, seed=1,
    )  # fmt: skip
    data.prepare_data()
    return data


def test_peaks_are_labelled_by_the_truth(made):
    particle = read_particle(made.folder / "validation" / "000000.raw.h5")
    assert (particle.labels != NOT_AN_ATOM).mean() > 0.6
    assert (particle.labels != NOT_AN_ATOM).sum() > 0.9 * particle.n_true
    assert set(particle.labels) <= {NOT_AN_ATOM, *particle.elements}
    assert particle.dose == pytest.approx(3e3)
    assert particle.source == "raw"


def test_what_is_there_is_not_made_again(made, recipe):
    before = {path: path.stat().st_mtime_ns for path in made.cache.rglob("*.h5")}
    assert len(before) == 4
    made.prepare_data()
    assert {path: path.stat().st_mtime_ns for path in made.cache.rglob("*.h5")} == before


def test_an_interrupted_run_makes_the_same_particle_again(made, recipe, tmp_path):
    path = made.folder / "train" / "000000.raw.h5"
    make_particle(Recipe(**recipe), made.cache, tmp_path, "train", 0, 0)
    first, second = read_particle(path), read_particle(tmp_path / "train" / "000000.raw.h5")
    assert np.array_equal(first.features.values, second.features.values)
    assert np.array_equal(first.labels, second.labels)


def test_calibrating_outside_a_trainer_makes_the_validation_particles_alone(recipe, tmp_path):
    data = TracedClassifierData(
        cache=tmp_path, workers=1, recipe=recipe, splits={"train": 5, "validation": 1, "test": 1},
        graph={}, batch_size=1, steps_per_epoch=2, augment=0.0, seed=1,
    )  # fmt: skip
    data.setup("validate")
    assert len(data.val_dataloader().dataset) == 1
    assert [path.parent.name for path in data.folder.rglob("*.h5")] == ["validation"]


def test_splits_hold_different_samples(made):
    volumes = sorted(path.stem for path in made.cache.glob("volumes-*/*.h5"))
    assert volumes == ["00000000", f"{SPLIT_STRIDE:08d}"]


def test_the_data_module_reads_what_was_made(made):
    made.setup()
    assert len(made.val_dataloader().dataset) == 1
    described = made.describe()
    assert described["volumes"] == {"raw": 2}
    assert described["recipe"]["simulation"]["pixel_size"] == 0.45


def test_faint_particles_join_the_others(made, recipe):
    data = TracedClassifierData(
        cache=made.cache, workers=1, recipe=recipe, splits={"train": 1, "validation": 1, "test": 0},
        faint={"range": [1e3, 1e3], "splits": {"train": 2}},
        graph={}, batch_size=1, steps_per_epoch=2, augment=0.0, seed=1,
    )  # fmt: skip
    data.prepare_data()
    data.setup()
    doses = [float(graph.dose) for graph in data.train_dataloader().dataset.graphs]
    assert doses == pytest.approx([3e3, 1e3, 1e3])
    assert len(data.val_dataloader().dataset) == 1
    assert data.describe()["faint"]["splits"] == {"train": 2}


def test_the_hash_follows_the_recipe(recipe):
    original = Recipe(**recipe)
    assert Recipe(**recipe).key == original.key
    other = Recipe(**{**recipe, "match_radius": 0.8})
    assert other.key != original.key
    assert other.volumes_key == original.volumes_key
    assert Recipe(**{**recipe, "seed": 6}).volumes_key != original.volumes_key


@pytest.fixture(scope="module")
def shipped(repository):
    """The recipe of `conf/data/classifier.yaml`."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(repository / "conf"), version_base="1.3"):
        cfg = compose("train", ["stage=classifier"])
    return Recipe(**OmegaConf.to_container(cfg.data.recipe, resolve=True))


def test_evaluated_element_sets_are_never_combined_in_training(shipped, repository):
    evaluated = ["CoPt", "NiPdPt", "PdPt", "SiGeSn", "CsPbBr", "PdAg", "FeNi", "ZrCuAl"]
    sets = [[atomic_number(name) for name in re.findall("[A-Z][a-z]?", text)] for text in evaluated]
    sets += [np.unique(read_atoms(path).numbers) for path in (repository / "data/test_series").glob("*.xyz")]
    assert len(sets) > 15
    for numbers in sets:
        assert all(shipped.combines(pair) for pair in combinations(numbers, 2))
    assert not shipped.combines([28, 79, 13])


def test_a_sample_that_combines_them_is_drawn_again(recipe):
    free = Recipe(**recipe)
    assert drawn_sample(free, 0)[1] == 0
    particle = recipe["simulation"]["structures"]["particle"]
    mixed = particle | {"chemistry": {"kind": "random", "elements": {"choose": 2, "from": ["Ni", "Pt", "Ti"]}}}
    options = recipe | {"simulation": recipe["simulation"] | {"structures": {"particle": mixed}}}
    guarded = Recipe(**options, unseen=[["Ni", "Pt"]])
    redrawn = [drawn_sample(guarded, index) for index in range(6)]
    assert any(number != index for index, (_, number) in enumerate(redrawn))
    assert not any(guarded.combines(np.unique(sample.truth.numbers)) for sample, _ in redrawn)
    with pytest.raises(ConfigError, match="all combine"):
        drawn_sample(Recipe(**recipe, unseen=[["Ni", "Pt"]]), 0)


def test_a_faint_sample_is_drawn_again_and_faint_volumes_keep_their_digits(recipe, tmp_path):
    dim = recipe["simulation"] | {"dose": {"range": [0.5, 5000]}}
    picky = Recipe(**recipe | {"simulation": dim}, least_signal=100)
    for index in range(3):
        sample, _ = drawn_sample(picky, index)
        assert sample.series.images.sum() >= 100 * len(sample.truth)
    sample, number = drawn_sample(
        Recipe(**recipe | {"simulation": recipe["simulation"] | {"dose": {"levels": [3.0]}}}), 0
    )
    volume = reconstructed(sample, Recipe(**recipe), tmp_path / "faint.h5", number)
    assert len(np.unique(volume.values)) > 50


def test_a_refiner_that_is_missing_is_said(recipe, tmp_path):
    lost = Recipe(**{**recipe, "refiner": str(tmp_path / "none.safetensors")})
    with pytest.raises(CheckpointError, match="does not exist"):
        make_particles(lost, tmp_path, Path(tmp_path / lost.key), {"train": 1})


def test_refined_volumes_are_traced_and_kept(recipe, repository, tmp_path):
    arguments = yaml.safe_load((repository / "conf/model/refiner_tiny.yaml").read_text())
    arguments = {key: value for key, value in arguments.items() if not key.startswith("_")}
    torch.manual_seed(0)
    net = GlobalLocalResUNet(**arguments)
    path = tmp_path / "refiner.safetensors"
    card = {"data": {"recipe": {"voxel_size": 0.45}, "sigma": 0.5}}
    save_weights(path, Weights("refiner", arguments, net.state_dict(), card))
    refining = Recipe(**recipe, refiner=str(path))
    make_particle(refining, tmp_path, tmp_path / "first", "validation", 0, 0)
    kept = list((tmp_path / refining.refined_key).glob("*.npz"))
    assert len(kept) == 1
    particle = read_particle(tmp_path / "first" / "validation" / "000000.refined.h5")
    assert particle.source == "refined"
    assert particle.features.values.shape[1] == n_features(FeatureConfig.from_dict(FEATURES))
    before, key = kept[0].stat().st_mtime_ns, refining.key
    net.threshold = 0.2
    save_weights(path, Weights("refiner", arguments, net.state_dict(), card))
    again = Recipe(**recipe, refiner=str(path))
    assert again.refined_key == refining.refined_key  # a threshold does not change volumes, but atoms
    assert again.key != key
    make_particle(again, tmp_path, tmp_path / "second", "validation", 0, 0)
    assert kept[0].stat().st_mtime_ns == before


def test_refined_peaks_are_weighed_as_in_the_chain(recipe):
    weighing = Recipe(**recipe | {"weigh": True, "features": FEATURES | {"existence": True}})
    sample, _ = drawn_sample(weighing, 0)
    heights = np.linspace(0.2, 0.9, len(sample.truth))
    values = gaussian_atoms(sample.truth.positions, heights, (64, 64, 64), 0.45, 0.5)
    facts = {"atom_threshold": 0.5, "odds": Odds(1.0, 0.0, 0.0, 0.0)}  # heights alone: even odds at 0.5
    answer = Refined(Volume(values, 0.45, metadata={"atom_height": 1.0}), Volume(values, 0.45, metadata=facts), None)
    options = tracing_options(weighing, sample) | {"smoothing": 0.0}
    found, odds = refined_peaks(answer, sample, weighing, 1.0, options)
    looser, more = refined_peaks(answer, sample, weighing, 0.5, options)
    assert odds.min() > 0 >= more.min() > np.log(0.25 / 0.75)
    assert len(odds) == len(found) < len(looser) == len(more)
    by_height, unknown = refined_peaks(answer, sample, replace(weighing, weigh=False), 1.0, options)
    assert unknown is None
    assert abs(len(by_height) - len(found)) <= 1  # a peak at the threshold
    assert weighing.key != replace(weighing, weigh=False).key
