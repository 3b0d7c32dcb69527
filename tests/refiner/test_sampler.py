from itertools import chain

from torch.utils.data import DataLoader

from pann.refiner.sampler import StepLoader, StepSampler


def test_epochs_continue_the_sequence_from_the_step_they_begin_at():
    taken = 0
    sampler = StepSampler(3, 2, lambda: taken, rank=0, world_size=1)
    assert list(sampler) == [0, 1, 2, 3, 4, 5]
    taken = 3
    assert list(sampler) == [6, 7, 8, 9, 10, 11]
    taken = 4  # an interruption in the middle of an epoch
    assert list(sampler)[:4] == [8, 9, 10, 11]


def test_processes_share_what_one_would_take():
    alone = list(StepSampler(3, 4, lambda: 5, rank=0, world_size=1))
    shared = [list(StepSampler(3, 2, lambda: 5, rank=rank, world_size=2)) for rank in (0, 1)]
    steps = [chain(*(part[2 * step : 2 * step + 2] for part in shared)) for step in range(3)]
    assert list(chain(*steps)) == alone
    assert not set(shared[0]) & set(shared[1])


def test_a_loader_makes_whole_batches_of_a_step():
    sampler = StepSampler(3, 2, lambda: 1, rank=1, world_size=2)
    loader = StepLoader(range(100), batch_size=2, sampler=sampler)
    assert len(loader) == 3
    assert [batch.tolist() for batch in loader] == [[6, 7], [10, 11], [14, 15]]
    assert isinstance(loader, DataLoader)
