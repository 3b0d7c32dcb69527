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
