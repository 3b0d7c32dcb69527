import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.core.geometry import index_to_position, project_positions
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import simulate_linear
from pann.simulation.imaging.prism import PrismOptions, simulate_prism
from pann.simulation.microscope import Microscope

STATIC = PrismOptions(thermal_sigma=0.0)
ANGLES = [(10.0, 40.0, -20.0)]
NARROW = Microscope(semiangle=10)
"""A narrow probe needs few plane waves and scan points."""


def test_smooth_sizes() -> None:
    assert smooth_size(509) == 512
    assert smooth_size(546, 4) == 560
    assert smooth_size(11) == 12
    assert smooth_size(1) == 1


def test_prism_agrees_with_the_linear_model_for_separate_atoms(microscope: Microscope) -> None:
    """Orientation, pixel grid and absolute scale are the same in both tiers."""
    model = AtomicModel([[1.8, 0.4, 1.0], [-1.5, 1.0, -0.9], [-0.5, -1.8, 0.6]], [78, 28, 78])
    image = simulate_prism(model, ANGLES, (22, 24), 0.4, microscope, options=STATIC)[0]
    linear = simulate_linear(model, ANGLES, (22, 24), 0.4, microscope, thermal_sigma=0.0)[0]
    assert np.corrcoef(image.ravel(), linear.ravel())[0, 1] > 0.99
    total = sum(atom_kernels(microscope, [z])[z].cross_section for z in (78, 28, 78))
    assert image.sum() * 0.4**2 == pytest.approx(total, rel=0.12)
    brightest = project_positions(model.positions, ANGLES)[0]
    peak = index_to_position(np.unravel_index(image.argmax(), image.shape), image.shape, 0.4)
    assert np.linalg.norm(brightest - peak, axis=1).min() < 0.3


def test_thermal_motion_is_named_by_the_seed() -> None:
    model = AtomicModel([[0.0, 0.0, 0.0]], [29])
    options = PrismOptions(thermal_sigma={29: 0.1})
    images = [simulate_prism(model, [0.0], (20, 20), 0.4, NARROW, options=options, seed=s) for s in (1, 1, 2)]
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.allclose(images[0], images[2])


@pytest.mark.parametrize(
    ("position", "options", "message"),
    [
        ((0.0, 0.0, 0.0), PrismOptions(sampling=0.08), "2/3 of Nyquist"),
        ((0.0, 0.0, 5.0), STATIC, "rotation centre"),
    ],
)
def test_silent_traps_are_errors(
    microscope: Microscope, position: tuple[float, float, float], options: PrismOptions, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        simulate_prism(AtomicModel([position], [29]), [0.0], (20, 20), 0.4, microscope, options=options)


def test_aliased_scans_warn() -> None:
    options = PrismOptions(thermal_sigma=0.0, scan_step=1.0)
    with pytest.warns(UserWarning, match="aliased"):
        simulate_prism(AtomicModel([(0.0, 0.0, 0.0)], [29]), [0.0], (8, 8), 1.0, NARROW, options=options)
