"""The tiers that scatter electrons: agreement with each other, phonons, focus, guards."""

from dataclasses import replace

import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.simulation.imaging.box import Box
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.multislice import MultisliceTier
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.waves import Specimen, WaveTier
from pann.simulation.imaging.windowed import WindowedTier, occupied_slices
from pann.simulation.microscope import Microscope

NARROW = Microscope(semiangle=10, source_sigma=0.2)
"""A narrow probe needs few scan points."""
POINTS = np.array([[0.1, 0.3], [1.7, 0.2], [-1.2, 0.9], [0.9, -1.1], [-0.4, -1.9], [2.0, 1.8]])
STATIC = {"thermal_sigma": 0.0}


def difference(found: np.ndarray, reference: np.ndarray) -> float:
    """R = Σ|found - reference| / Σ reference."""
    return float(np.abs(found - reference).sum() / reference.sum())


@pytest.mark.parametrize(
    "microscope",
    [
        Microscope(),
        Microscope(
            astigmatism=15, astigmatism_angle=20, coma=300, coma_angle=70, spherical=1e4, focal_spread=20, outer=90
        ),
    ],
    ids=["perfect", "aberrated"],
)
def test_a_window_as_large_as_the_box_is_full_multislice(microscope: Microscope, three_atoms: AtomicModel) -> None:
    """abTEM computes potential, probe, propagation and detection of the reference on its own."""
    views = Views([(10.0, 40.0, -20.0)], (28, 26), 0.4, defocus=[12.0])
    reference = MultisliceTier(**STATIC, potential="abtem").at(three_atoms, views, 0, microscope, POINTS)
    windowed = WindowedTier(**STATIC, potential="abtem", window=50.0)
    assert difference(windowed.at(three_atoms, views, 0, microscope, POINTS), reference) < 0.005
    if microscope.focal_spread:  # one test of PRISM is enough: in a box of 11 Å it sees the whole of it
        prism = PrismTier(**STATIC, potential="abtem").at(three_atoms, views, 0, microscope, POINTS)
        assert difference(prism, reference) < 0.005


def test_windows_of_ten_ångströms_suffice(microscope: Microscope, three_atoms: AtomicModel) -> None:
    views = Views([(10.0, 40.0, -20.0)], (36, 36), 0.4)
    reference = MultisliceTier(**STATIC).at(three_atoms, views, 0, microscope, POINTS)
    assert difference(WindowedTier(**STATIC).at(three_atoms, views, 0, microscope, POINTS), reference) < 0.03


def test_one_heavy_atom_looks_as_its_kernel(microscope: Microscope) -> None:
    model, views = AtomicModel([[0.0, 0.0, 0.0]], [78]), Views([0.0], (22, 22), 0.4)
    linear = LinearTier(**STATIC).fractions(model, views, microscope)[0]
    image = WindowedTier(**STATIC).fraction(model, views, 0, microscope)
    assert image.sum() == pytest.approx(linear.sum(), rel=0.025)
    assert difference(linear, image) < 0.05


def test_scans_as_coarse_as_the_source_allows_give_the_image_of_fine_ones() -> None:
    model, microscope = AtomicModel([[0.5, 0.2, 0.0], [-0.7, 0.4, 1.0]], [78, 29]), Microscope(source_sigma=0.4)
    tier, views = WindowedTier(**STATIC, window=6.0), Views([0.0], (18, 20), 0.4)
    coarse = tier.fraction(model, views, 0, microscope)
    fine = replace(tier, scan_step=0.2).fraction(model, views, 0, microscope)
    assert difference(coarse, fine) < 2e-3
    assert coarse.min() >= 0


def test_vacuum_is_known_where_no_atom_is_near() -> None:
    """One atom in the third of five slices; the box is periodic along x and y."""
    box = Box((20.0, 30.0, 10.0), (300, 450), (1, 1), 1, (50, 75), np.array([10.0, 15.0, 5.0]))
    specimen = Specimen(np.array([29]), np.array([[1.0, 15.0, 4.5]]), box, 2.0)
    points = np.array([[3.0, 15.0], [18.5, 18.4], [5.0, 15.0], [1.0, 20.0], [-1.0, 15.0]])
    spans = occupied_slices(specimen, points, 5, reach=3.5)
    np.testing.assert_array_equal(spans, [[2, 3], [2, 3], [5, 0], [5, 0], [2, 3]])


def test_vacuum_scatters_nothing(three_atoms: AtomicModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes that skip the slices without atoms near see what those see that pass through all of them."""
    views, microscope = Views([(10.0, 40.0, -20.0)], (60, 60), 0.4), Microscope()
    points = np.concatenate([POINTS, 4 * POINTS])
    tier = WindowedTier(**STATIC, batch=1)
    found = tier.at(three_atoms, views, 0, microscope, points)
    monkeypatch.setattr("pann.simulation.imaging.windowed.REACH", 100.0)
    everything = tier.at(three_atoms, views, 0, microscope, points)
    assert difference(found, everything) < 1e-3
    assert found[-1] == 0
    assert everything[-1] < 1e-6 * everything.max()


@pytest.mark.parametrize("tier", [PrismTier(), WindowedTier(window=6.0)], ids=lambda tier: tier.name)
def test_frozen_phonons_are_averaged_and_named_by_seed_and_image(tier: WaveTier) -> None:
    model, views = AtomicModel([[0.3, 0.1, 0.0]], [29]), Views([0.0, 0.0], (8, 8), 0.8)
    one = replace(tier, thermal_sigma={29: 0.2})
    both = one.fractions(model, views, NARROW, seed=1)
    np.testing.assert_array_equal(both[1], one.fraction(model, views, 1, NARROW, seed=1))
    assert difference(both[0], both[1]) > 0.01
    assert difference(one.fraction(model, views, 1, NARROW, seed=2), both[1]) > 0.01
    mean = replace(one, n_phonons=3).fraction(model, views, 1, NARROW, seed=1)
    blurred = LinearTier(thermal_sigma={29: 0.2}).fraction(model, views, 1, NARROW)
    assert difference(mean, blurred) < difference(both[1], blurred)


def test_vanished_and_displaced_atoms() -> None:
    model = AtomicModel([[0.5, 0.0, 0.0], [-0.7, 0.4, 0.0]], [29, 29])
    tier = WindowedTier(**STATIC, window=6.0)
    moves = [[[0.0, 0.4, 0.0], [0.0, 0.0, 0.0]]]
    changed = Views([0.0], (8, 8), 0.8, displacements=moves, present=[[True, False]])
    alone = AtomicModel([[0.5, 0.4, 0.0]], [29])
    expected = tier.fraction(alone, Views([0.0], (8, 8), 0.8), 0, NARROW)
    assert difference(tier.fraction(model, changed, 0, NARROW), expected) < 1e-3
    nothing = Views([0.0], (8, 8), 0.8, present=[[False, False]])
    assert not tier.fraction(model, nothing, 0, NARROW).any()


def test_focus_follows_the_atom_along_the_beam(microscope: Microscope) -> None:
    """An atom 25 Å behind the rotation centre is in focus where the focal plane lies 25 Å behind it too."""
    model, points = AtomicModel([[0.0, 0.0, 25.0]], [47]), np.array([[0.0, 0.0], [0.7, 0.0], [0.0, 1.4]])
    centred = AtomicModel([[0.0, 0.0, 0.0]], [47])
    tier = WindowedTier(**STATIC)
    reference = tier.at(centred, Views([0.0], (136, 136), 0.4), 0, microscope, points)
    behind, before = (
        tier.at(model, Views([0.0], (136, 136), 0.4, defocus=[height]), 0, microscope, points) for height in (25, -25)
    )
    assert behind[0] == pytest.approx(reference[0], rel=0.05)
    assert before[0] < 0.6 * reference[0]


def test_atoms_that_phonons_carry_out_of_the_box_are_refused() -> None:
    model, views = AtomicModel([[0.0, 0.0, 0.0]], [29]), Views([0.0], (8, 8), 0.8)
    with pytest.raises(InputError, match="out of the box"):
        WindowedTier(thermal_sigma=5.0).fraction(model, views, 0, NARROW)
    with pytest.raises(InputError, match="expected \\(m, 2\\)"):
        WindowedTier().at(model, views, 0, NARROW, [0.0, 0.0])
