import json
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from pann.classifier.classify import Classifier
from pann.classifier.data import (
    BASELINES,
    NOT_AN_ATOM,
    ClassifierData,
    TracedParticle,
    baseline_labels,
    class_labels,
    read_particle,
    write_particle,
)
from pann.classifier.evidence import Evidence
from pann.classifier.features import FeatureConfig, describe_atoms
from pann.classifier.graph import MAX_CANDIDATES
from pann.classifier.net import CandidateTransformer
from pann.classifier.task import ClassifierTask, classification_metrics
from pann.core import AtomicModel, CheckpointError, ConfigError, InputError
from pann.io.weights import Weights, save_weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:GPU available but not used"),
]
FEATURES = FeatureConfig(order=2, radii=(0.8,))
MODEL = {"features": FEATURES.to_dict(), "graph": {"cutoff": 4.0}, "width": 16, "layers": 1, "heads": 2, "dropout": 0.0}
ALLOYS = [(28, 78), (26, 46, 79), (13, 78), (28, 46), (29, 79), (22, 78)]


def traced(particle, elements):
    """The true atoms with a few peaks between them that are none."""
    between = particle.truth.positions[:3] + 1.35
    model = AtomicModel(np.concatenate([particle.truth.positions, between]))
    labels = np.concatenate([particle.truth.numbers, np.full(3, NOT_AN_ATOM)])
    features = describe_atoms(Evidence(particle.volume), model, FEATURES)
    return TracedParticle(features, labels, elements, len(particle.truth), 500.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, particle_factory):
    path = tmp_path_factory.mktemp("traced")
    for index, elements in enumerate(ALLOYS):
        particle = particle_factory(elements, noise=0.15, seed=index)
        split, number = [("train", 0), ("train", 1), ("train", 2), ("train", 3), ("validation", 0), ("test", 0)][index]
        write_particle(path / split / f"{number:06d}.raw.h5", traced(particle, elements))
    return path


@pytest.fixture
def data(folder):
    splits = {"train": 4, "validation": 1, "test": 1}
    return ClassifierData(splits, MODEL["graph"], 2, 15, augment=0.5, seed=3, folder=folder)


def make_task():
    torch.manual_seed(1)
    optimizer = partial(torch.optim.AdamW, lr=5e-3)
    scheduler = partial(torch.optim.lr_scheduler.ConstantLR, factor=1.0)
    return ClassifierTask(CandidateTransformer(**MODEL), optimizer, scheduler, 0.02, [0, 1000, 1e9])


@pytest.fixture(scope="module")
def trained(folder):
    data = ClassifierData({"train": 4, "validation": 1, "test": 1}, MODEL["graph"], 2, 15, 0.5, 3, folder)
    task = make_task()
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(task, datamodule=data)
    validated = {name: float(value) for name, value in trainer.callback_metrics.items()}
    trainer.test(task, datamodule=data, verbose=False)
    return task, validated, {name: float(value) for name, value in trainer.callback_metrics.items()}


def test_a_particle_survives_its_file(tmp_path, particle):
    original = traced(particle, (28, 78))
    write_particle(tmp_path / "a.h5", original)
    copy = read_particle(tmp_path / "a.h5")
    assert np.array_equal(copy.features.values, original.features.values)
    assert np.array_equal(copy.labels, original.labels)
    assert (copy.elements, copy.n_true, copy.dose, copy.source) == ((28, 78), 27, 500.0, "raw")
    (tmp_path / "a.h5").write_bytes(b"damaged")
    with pytest.raises(InputError, match="delete it"):
        read_particle(tmp_path / "a.h5")


def test_augmentation_offers_more_candidates_and_keeps_the_labels_right(data):
    data.setup()
    graphs = [data.train_dataloader().dataset[0] for _ in range(20)]
    counts = {int(graph.candidate_mask.sum()) for graph in graphs}
    assert counts == {2, 3, 4}
    for graph in graphs:
        assert (graph.y == MAX_CANDIDATES).sum() == 3
        assert graph.y[graph.y < MAX_CANDIDATES].max() < graph.candidate_mask.sum()


def test_labels_follow_the_candidates():
    labels = np.array([78, 28, NOT_AN_ATOM, 78])
    assert class_labels(labels, [28, 13, 78]).tolist() == [2, 0, MAX_CANDIDATES, 2]


def test_baselines_answer_in_places_of_the_elements(particle):
    example = traced(particle, (78, 28))
    answers = baseline_labels(example)
    assert set(answers) == set(BASELINES)
    truth = class_labels(example.labels, (78, 28)).numpy()
    assert (answers["kmeans"][:27] == truth[:27]).mean() > 0.9


def test_too_few_particles_is_said(folder):
    data = ClassifierData({"train": 40}, {}, 2, 5, 0.0, 1, folder)
    with pytest.raises(InputError, match="fewer than 40"):
        data.setup()


def test_training_learns_and_logs_the_baselines(trained):
    _, validated, tested = trained
    assert validated["val/species_accuracy"] > 0.9
    assert {f"val/{name}/species_accuracy" for name in BASELINES} <= set(validated)
    assert {"test/ece", "test/correct_fraction", "test/dose_0_1000/loss"} <= set(tested)
    assert not any("1000_1e+09" in name for name in tested)


def test_calibration_repeats_and_does_not_raise_the_loss(trained, data):
    task, _, _ = trained
    data.setup()
    blend, before = task.calibrate(data.val_dataloader())
    assert before != 1.0
    assert task.calibrate(data.val_dataloader()) == pytest.approx((blend, before))
    batch = next(iter(data.val_dataloader()))
    with torch.no_grad():
        calibrated = task.net(batch)
    loss = torch.nn.functional.cross_entropy
    assert loss(calibrated, batch.y) <= loss(calibrated * before, batch.y) + 1e-9


def test_metrics_of_known_answers():
    logits = torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 9.0, 0.0]])
    metrics = classification_metrics(logits, torch.tensor([0, 1, 2, 1]), n_true=4)
    assert metrics["species_accuracy"] == pytest.approx(2 / 3)
    assert metrics["correct_fraction"] == pytest.approx(0.5)
    assert metrics["atom_accuracy"] == 1.0


def test_the_classifier_works_from_its_file(tmp_path, trained, particle):
    path = tmp_path / "classifier.safetensors"
    save_weights(path, Weights("classifier", MODEL, trained[0].net.state_dict(), {}))
    json.loads(path.with_suffix(".json").read_text())
    classifier = Classifier.load(path)
    unknown = AtomicModel(np.concatenate([particle.truth.positions, particle.truth.positions[:3] + 1.35]))
    found = classifier(Evidence(particle.volume), unknown, [78, 28])
    assert (found.numbers[:27] == particle.truth.numbers).mean() > 0.85
    assert found.probabilities.min() >= 0.5
    kept = classifier(Evidence(particle.volume), unknown, [28, 78], reject=0.5)
    assert 24 <= len(kept) < len(unknown)
    single = classifier(Evidence(particle.volume), unknown, [78])
    assert set(single.numbers) == {78}
    with pytest.raises(ConfigError, match="reject"):
        classifier(Evidence(particle.volume), unknown, [78], reject=1.5)
    with pytest.raises(InputError, match="no atoms"):
        classifier(Evidence(particle.volume), AtomicModel(np.zeros((0, 3))), [78])


def test_weights_that_do_not_fit_are_refused(tmp_path, trained):
    path = tmp_path / "classifier.safetensors"
    save_weights(path, Weights("classifier", MODEL | {"width": 32}, trained[0].net.state_dict(), {}))
    with pytest.raises(CheckpointError, match="do not fit"):
        Classifier.load(path)
