"""Small particles with known elements, as sums of Gaussians."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

with warnings.catch_warnings():
    # torch_geometric scripts a few functions while it is imported, which recent torch calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import torch_geometric  # noqa: F401

from pann.classifier.features import FeatureConfig
from pann.classifier.graph import GraphConfig
from pann.classifier.scattering import scattering_powers
from pann.core import AtomicModel, Volume
from pann.core.random import generator

VOXEL = 0.4
SIGMA = 0.45


@dataclass
class Particle:
    volume: Volume
    truth: AtomicModel


def make_particle(elements=(28, 78), n_side=3, noise=0.0, seed=0, rotation=None, shift=(0.0, 0.0, 0.0)):
    """A cubic piece of an alloy on a lattice of 2.7 Å; `noise` is the relative spread of the atom intensities."""
    rng = generator(seed, "particle")
    axis = 2.7 * (np.arange(n_side) - (n_side - 1) / 2)
    sites = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = sites + rng.normal(scale=0.08, size=sites.shape)
    if rotation is not None:
        sites = sites @ np.asarray(rotation).T
    sites = sites + np.asarray(shift)
    numbers = np.resize(np.array(elements), len(sites))[rng.permutation(len(sites))]
    powers = dict(zip(elements, scattering_powers(elements), strict=True))
    heights = np.array([powers[number] for number in numbers]) / min(powers.values())
    heights = heights * np.exp(noise * rng.normal(size=len(sites)))
    half = int(np.ceil((np.abs(sites).max() + 4) / VOXEL))
    coordinates = VOXEL * (np.arange(2 * half) - half)
    values = np.zeros((2 * half,) * 3)
    for site, height in zip(sites, heights, strict=True):
        x, y, z = (np.exp(-((coordinates - centre) ** 2) / (2 * SIGMA**2)) for centre in site)
        values += height * np.einsum("i,j,k->ijk", x, y, z)
    return Particle(Volume(values, VOXEL), AtomicModel(sites, numbers))


@pytest.fixture(scope="session")
def particle():
    return make_particle(noise=0.1)


@pytest.fixture(scope="session")
def feature_config():
    return FeatureConfig(order=4)


@pytest.fixture(scope="session")
def graph_config():
    return GraphConfig()


@pytest.fixture(scope="session")
def particle_factory():
    return make_particle
