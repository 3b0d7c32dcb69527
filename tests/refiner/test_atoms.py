import numpy as np
import pytest

from pann.core import Volume
from pann.core.random import generator
from pann.refiner import Refined, trace_refined, weigh_refined
from pann.refiner.odds import Odds
from pann.refiner.target import gaussian_atoms

INVENTED = np.array([2.9, 2.6, 0.1])
"""A place [Å] where the network below sees an atom."""


@pytest.fixture
def refined(example):
    """An answer that holds every atom of the example and one that there is not."""
    positions = np.vstack([example.positions, INVENTED])
    shape, voxel = example.values.shape, example.voxel_size
    density = gaussian_atoms(positions, [*example.heights, 0.6], shape, voxel, 0.5)
    presence = gaussian_atoms(positions, [0.8] * 12 + [0.7], shape, voxel, 0.5)
    facts = {"atom_threshold": 0.4, "odds": Odds(1.0, 0.2, 0.0, 0.4)}
    return Refined(
        Volume(50 * density, voxel, metadata={"atom_height": 50.0}), Volume(presence, voxel, metadata=facts), None
    )


def nearest(atoms, place):
    return np.linalg.norm(atoms.positions - place, axis=1)


def test_an_atom_that_the_counts_deny_is_not_kept(refined, example):
    example.images = generator(5, "counts").poisson(0.05 * example.images).astype(np.uint16)
    assert nearest(trace_refined(refined, min_distance=1.8), INVENTED).min() < 0.1
    candidates, odds = weigh_refined(refined, example.series, np.array([1.0]), min_distance=1.8)
    assert len(candidates) >= 13
    assert odds[nearest(candidates, INVENTED).argmin()] < 0
    for place in example.positions:
        assert odds[nearest(candidates, place).argmin()] > 0


def test_without_a_peak_there_is_no_candidate(refined, example):
    empty = refined.presence.replace(values=np.zeros(refined.presence.shape, np.float32))
    candidates, odds = weigh_refined(
        Refined(refined.volume, empty, None), example.series, np.array([1.0]), min_distance=1.8
    )
    assert len(candidates) == len(odds) == 0
