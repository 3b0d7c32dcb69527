"""Learning-rate schedules."""

from math import cos, pi
from time import monotonic

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer, *, warmup_steps: int, total_steps: int, final: float, seconds: float | None = None
) -> LambdaLR:
    """Linear warm-up over `warmup_steps`, then half a cosine down to `final` of the learning rate at `total_steps`.

    With `seconds` the cosine ends so long after the start at the latest, for machines that are lent by the minute; give
    `trainer.max_time` a little more.
    """
    start = monotonic()

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        done = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0)
        if seconds is not None:
            done = min(max(done, (monotonic() - start) / seconds), 1.0)
        return final + (1 - final) * (1 + cos(pi * done)) / 2

    return LambdaLR(optimizer, factor)
