"""Chosen tilts, and the bound that stands beside every error."""

import numpy as np
import pytest

from pann.core import AtomicModel, InputError, TiltSeries
from pann.fitting.planning import plan_dose
from pann.pipeline.evaluation import Case, Scheme, Target, simulated_cases
from pann.simulation import Microscope, SimulationConfig, Views, atom_kernels
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.realism import NoiseFreeSeries


def numbered(angles: list[float]) -> TiltSeries:
    """Images that hold the number of their tilt, and one pixel of another value."""
    images = np.arange(len(angles), dtype=float)[:, None, None] + np.zeros((1, 4, 4))
    images[:, 0, 0] += 0.5
    return TiltSeries(images, angles, 0.4, kind="intensity")


def test_all_tilts_by_ascending_angle() -> None:
    chosen = Scheme().select(numbered([20, -20, 0, 10, -10]))
    assert chosen.angles[:, 1].tolist() == [-20, -10, 0, 10, 20]
    assert chosen.images[:, 1, 1].tolist() == [1, 4, 2, 3, 0]


def test_every_other_tilt_up_to_a_limit() -> None:
    chosen = Scheme(every=2, limit=50).select(numbered(np.arange(-70, 71, 10.0).tolist()))
    assert chosen.angles[:, 1].tolist() == [-50, -30, -10, 10, 30, 50]


@pytest.mark.parametrize("scheme", [Scheme(every=0), Scheme(limit=5.0), Scheme(every=3)])
def test_too_few_tilts_are_refused(scheme: Scheme) -> None:
    with pytest.raises(InputError, match=r"every is 0|1 of 5 tilts|2 of 5 tilts"):
        scheme.select(numbered([-20, -10, 0, 10, 20]))


def test_the_bound_is_that_of_the_plan_at_this_dose(case: Case) -> None:
    plan = plan_dose(case.target.truth, case.series.angles, case.target.acquisition, [case.dose])
    np.testing.assert_allclose(case.bound_pm, plan.axes_pm[0], rtol=1e-6)
    quarter = Case(case.target, case.series, case.scheme, case.dose / 4, case.seed)
    np.testing.assert_allclose(quarter.bound_pm, 2 * case.bound_pm)


def test_a_missing_wedge_makes_the_beam_the_worst_axis(case: Case) -> None:
    x, _, z = case.bound_pm
    assert z > 1.1 * x


def test_atoms_are_as_bright_as_the_images_say(truth: AtomicModel) -> None:
    tilts = np.arange(-60, 61, 20.0)
    fractions = LinearTier(thermal_sigma=0.07).fractions(truth, Views(tilts, (40, 40), 0.4), Microscope())
    facts = {"thermal_sigma": 0.07}
    for loss, metadata in ((1.0, facts), (0.8, {"prism": facts}), (0.8, {"windowed": facts})):
        series = TiltSeries(loss * fractions, tilts, 0.4, kind="intensity", name="tiny", metadata=metadata)
        target = Target.of_series(NoiseFreeSeries(series, truth, Microscope()), Scheme(limit=40))
        assert len(target.angles) == 5
        for number, kernel in atom_kernels(Microscope(), [28, 78]).items():
            assert target.acquisition.cross_sections[number] == pytest.approx(loss * kernel.cross_section, rel=0.03)


def test_a_simulated_particle_is_the_same_at_every_dose(tiny_simulation: dict) -> None:
    config = SimulationConfig.from_mapping(tiny_simulation)
    cases = simulated_cases(config, 3, 2, [50.0, 200.0])
    assert [(case.target.name, case.dose) for case in cases] == [
        (f"small 3-{index}", dose) for index in (0, 1) for dose in (50.0, 200.0)
    ]
    assert cases[0].target is cases[1].target
    assert [case.series.dose for case in cases] == [50, 200, 50, 200]
    faint, bright = (float(case.series.images.sum()) for case in cases[:2])
    assert bright / faint == pytest.approx(4, abs=4 * 4 / faint**0.5)
    assert cases[0].target.elements == tuple(sorted(cases[0].target.elements, key=lambda s: {"Ni": 28, "Pt": 78}[s]))


def test_places_are_those_of_the_truth(target: Target) -> None:
    """Of 27 atoms on a cube of three layers, one is inside."""
    assert (~target.surface).sum() == 1
    centre = np.argmin(np.linalg.norm(target.truth.positions, axis=1))
    assert not target.surface[centre]
