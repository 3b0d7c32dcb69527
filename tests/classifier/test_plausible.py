import numpy as np

from pann.classifier.plausible import odd_atoms
from pann.core import AtomicModel


def test_a_crystal_is_not_odd_and_its_faults_are():
    axis = 2.8 * np.arange(4)
    sites = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    crystal = AtomicModel(sites, np.full(64, 78))
    assert not odd_atoms(crystal).any.any()
    faulty = AtomicModel(np.concatenate([sites, [[1.2, 0, 0], [30.0, 0, 0]]]), np.full(66, 78))
    found = odd_atoms(faulty)
    assert np.flatnonzero(found.close).tolist() == [0, 16, 64]
    assert np.flatnonzero(found.lonely).tolist() == [65]
    assert len(found.notes()) == 2


def test_a_crowd_is_seen_and_unknown_elements_are_left_alone():
    rng = np.random.default_rng(1)
    shell = rng.normal(size=(40, 3))
    shell *= 2.6 / np.linalg.norm(shell, axis=1, keepdims=True)
    crowd = AtomicModel(np.concatenate([np.zeros((1, 3)), shell]), np.full(41, 78))
    assert odd_atoms(crowd).crowded[0]
    assert not odd_atoms(crowd.replace(numbers=np.zeros(41, int))).any.any()
    assert not odd_atoms(AtomicModel(np.zeros((0, 3)))).any.any()
