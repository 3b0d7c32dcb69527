"""Which samples a training step takes: a function of the step alone, however often the run was interrupted."""

from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, DistributedSampler

Item = TypeVar("Item", covariant=True)


class StepSampler(DistributedSampler[int]):
    """Consecutive indices that never end: step s of process r of n takes (s·n + r)·`batch_size` and those after it.

    A run that goes on from a checkpoint, in the middle of an epoch or not, takes what it would have taken, and n
    processes together take in a step what one process with n times the batch takes. A `DistributedSampler`, so that
    Lightning leaves it in place instead of wrapping it, which would repeat the first epoch for ever.

    Parameters
    ----------
    steps : in an epoch.
    batch_size : indices of one process in a step.
    position : number of steps taken so far, asked when an epoch begins.
    rank, world_size : number of this process, and of how many.
    """

    def __init__(self, steps: int, batch_size: int, position: Callable[[], int], rank: int, world_size: int) -> None:
        indices = range(steps * batch_size * world_size)
        super().__init__(indices, world_size, rank, shuffle=False)  # type: ignore[arg-type]  # only its length is read
        self.steps = steps
        self.batch_size = batch_size
        self.position = position

    @classmethod
    def of(cls, trainer: Trainer | None, steps: int, batch_size: int) -> Self:
        """The sampler of this process of `trainer`, which counts the steps; without one, that of a single process."""
        if trainer is None:
            return cls(steps, batch_size, lambda: 0, rank=0, world_size=1)
        counted = trainer.fit_loop
        return cls(steps, batch_size, lambda: counted.total_batch_idx + 1, trainer.global_rank, trainer.world_size)

    def __len__(self) -> int:
        return self.steps * self.batch_size

    def __iter__(self) -> Iterator[int]:
        start = self.position()
        for step in range(start, start + self.steps):
            first = (step * self.num_replicas + self.rank) * self.batch_size
            yield from range(first, first + self.batch_size)


class StepLoader(DataLoader[Item]):
    """A loader for a `StepSampler`: it can go on in the middle of an epoch, and Lightning asks by these methods."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the trainer's step says it all."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take over."""
