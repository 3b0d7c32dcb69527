import pytest
import torch

from pann.training.schedule import warmup_cosine


def test_rises_linearly_then_falls_to_the_final_share():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = warmup_cosine(optimizer, warmup_steps=10, total_steps=110, final=0.1)
    rates = []
    for _ in range(130):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(2 / 11)
    assert max(rates) == rates[10] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(2 * 0.55)
    assert rates[110] == rates[-1] == pytest.approx(0.2)


def test_has_fallen_after_its_seconds_whatever_the_step(monkeypatch):
    clock = iter([0.0, *(10.0 * k for k in range(20))])
    monkeypatch.setattr("pann.training.schedule.monotonic", lambda: next(clock))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = warmup_cosine(optimizer, warmup_steps=0, total_steps=10**6, final=0.1, seconds=100)
    rates = []
    for _ in range(13):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[5] == pytest.approx(0.55)
    assert rates[10] == rates[12] == pytest.approx(0.1)
