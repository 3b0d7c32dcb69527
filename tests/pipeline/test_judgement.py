"""What the chain says of its own result: which atoms explain the images, and what looks wrong."""

import numpy as np
import pytest

from pann.core import AtomicModel, TiltSeries
from pann.core.random import generator
from pann.pipeline.checks import check_bonds, check_field
from pann.pipeline.choose import as_many, guard_refined
from pann.simulation import Microscope, Views
from pann.simulation.imaging.linear import LinearTier
from pann.tomography import reconstruct
from pann.tracing import trace
from tests.pipeline.conftest import PIXEL, lattice


def verdict(series: TiltSeries, raw: AtomicModel, refined: AtomicModel) -> str:
    return guard_refined(series, raw, refined, tolerance=0.02, iterations=3, progress=False).chosen


def test_equal_atoms_are_the_networks(series: TiltSeries, truth: AtomicModel) -> None:
    nudged = truth.replace(positions=truth.positions + generator(1, "nudge").normal(0, 0.02, (len(truth), 3)))
    assert verdict(series, raw=truth, refined=nudged) == "refined"


def test_the_images_overrule_a_wrong_volume(series: TiltSeries, truth: AtomicModel) -> None:
    moved = truth.replace(positions=truth.positions + generator(1, "moved").normal(0, 1.5, (len(truth), 3)))
    assert verdict(series, raw=truth, refined=moved) == "raw"
    assert verdict(series, raw=moved, refined=truth) == "refined"


def test_peaks_of_noise_do_not_overrule_true_atoms(truth: AtomicModel) -> None:
    """At low dose peaks that were picked in these very images explain more of them than the true atoms."""
    tilts = np.arange(-70, 71, 10.0)
    fraction = LinearTier().fractions(truth, Views(tilts, (36, 34), PIXEL), Microscope())
    dim = TiltSeries(generator(3, "noise").poisson(20.0 * PIXEL**2 * fraction), tilts, PIXEL)
    peaks = trace(reconstruct(dim, progress=False), min_distance=1.5, threshold=0.0, max_atoms=len(truth))
    found = guard_refined(dim, peaks, truth, tolerance=0.02, iterations=3, progress=False)
    assert found.explained["refined"] < 0.9 * found.explained["raw"]
    assert found.chosen == "refined"


def test_peaks_are_added_to_atoms_until_there_are_as_many(series: TiltSeries, truth: AtomicModel) -> None:
    volume = reconstruct(series, progress=False)
    tracing = {"min_distance": 1.5, "max_atoms": 4}
    atoms = trace(volume, **tracing)
    assert as_many(volume, atoms, 3, tracing) is atoms
    more = as_many(volume, atoms, 7, tracing)
    assert len(more) == 7
    np.testing.assert_array_equal(more.positions[:4], atoms.positions)


def test_nothing_never_wins(series: TiltSeries, truth: AtomicModel) -> None:
    nothing = AtomicModel(np.zeros((0, 3)))
    assert verdict(series, raw=truth, refined=nothing) == "raw"
    assert verdict(series, raw=nothing, refined=truth) == "refined"


def test_atoms_that_no_image_shows_do_not_win(series: TiltSeries, truth: AtomicModel) -> None:
    beside = AtomicModel(np.array([[0.0, 6.0, 0.0]]))
    assert verdict(series, raw=truth, refined=beside) == "raw"


def test_bond_lengths_betray_a_wrong_pixel_size() -> None:
    model = lattice()
    assert check_bonds(model, [28, 78]) == []
    assert check_bonds(model, []) == []
    for factor in (0.5, 2.0):
        (warning,) = check_bonds(model.replace(positions=model.positions * factor), [28, 78])
        assert "pixel_size" in warning


def test_few_atoms_are_worth_a_warning() -> None:
    (warning,) = check_bonds(lattice().select(np.arange(3)), [28])
    assert "only 3 atoms" in warning


@pytest.mark.parametrize(("level", "expected"), [(0.0, 0), (50.0, 1)])
def test_a_film_is_noticed(level: float, expected: int) -> None:
    images = np.full((3, 20, 20), level)
    images[:, 5:15, 5:15] += 100
    series = TiltSeries(images, [0, 1, 2], 0.4, kind="intensity")
    assert len(check_field(series, np.zeros(3), extended=False)) == expected
    assert check_field(series, np.zeros(3), extended=True) == []
