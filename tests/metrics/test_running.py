"""The running scores add up over samples and processes."""

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassCalibrationError

from pann.core import AtomicModel
from pann.metrics import ElementCalibrationError, PositionRMSD, Precision, Recovery, score

RNG = np.random.default_rng(4)


def samples(n: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = []
    for k in range(n):
        true = np.stack(np.meshgrid(*[np.arange(3 + k)] * 3, indexing="ij"), -1).reshape(-1, 3) * 3.0
        found = true[RNG.uniform(size=len(true)) < 0.9] + RNG.normal(scale=0.1, size=3)
        found = np.concatenate([found + RNG.normal(scale=0.1, size=found.shape), RNG.uniform(0, 6, size=(k, 3))])
        pairs.append((torch.from_numpy(found), torch.from_numpy(true)))
    return pairs


def collection() -> MetricCollection:
    return MetricCollection([Recovery(radius=0.8), Precision(radius=0.8), PositionRMSD(radius=0.8)])


def test_one_sample_gives_the_score() -> None:
    metrics = collection()
    found, true = samples(2)[1]
    metrics.update(found, true)
    expected = score(AtomicModel(found.numpy()), AtomicModel(true.numpy()), radius=0.8)
    values = metrics.compute()
    assert values["Recovery"] == expected["recovery"]
    assert values["Precision"] == expected["precision"]
    assert values["PositionRMSD"].item() == pytest.approx(expected["rmsd_pm"])


def test_samples_in_one_process_equal_samples_in_several() -> None:
    together, pairs = collection(), samples()
    for found, true in pairs:
        together.update(found, true)
    apart = collection()
    for found, true in pairs:
        one = collection()
        one.update(found, true)
        for name, metric in apart.items():
            for state in metric.metric_state:
                setattr(metric, state, getattr(metric, state) + getattr(one[name], state))
            metric._update_count = 1
    for name, value in together.compute().items():
        torch.testing.assert_close(apart.compute()[name], value)
    assert len(together.compute_groups) == 1, "the atoms are to be matched once, not once for each score"


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
def test_nothing_seen_is_not_a_number() -> None:
    assert all(torch.isnan(value) for value in collection().compute().values())
    recovery = Recovery(register=False)
    recovery.update(torch.zeros(0, 3), torch.zeros(2, 3))
    assert recovery.compute() == 0


def test_calibration_is_that_of_the_top_label() -> None:
    logits = torch.from_numpy(RNG.normal(size=(500, 3)))
    target = torch.from_numpy(RNG.integers(0, 3, size=500))
    ours, reference = ElementCalibrationError(), MulticlassCalibrationError(num_classes=3)
    for metric in (ours, reference):
        metric.update(logits.softmax(-1), target)
    assert ours.compute().item() == pytest.approx(reference.compute().item(), abs=1e-6)


def test_calibration_takes_other_numbers_of_candidates_in_each_batch() -> None:
    metric = ElementCalibrationError()
    for n in (2, 4):
        metric.update(torch.eye(n), torch.arange(n))
    assert metric.compute() == 0
    overconfident = ElementCalibrationError()
    overconfident.update(torch.tensor([[0.9, 0.1]] * 10), torch.tensor([0] * 6 + [1] * 4))
    assert overconfident.compute().item() == pytest.approx(0.3)
