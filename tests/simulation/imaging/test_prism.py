import numpy as np
import pytest

from pann.core import AtomicModel, InputError
from pann.core.geometry import index_to_position, project_positions
from pann.simulation.imaging.grids import smooth_size
from pann.simulation.imaging.kernel_table import atom_kernels
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope

STATIC = PrismTier(thermal_sigma=0.0)
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
    views = Views(ANGLES, (22, 24), 0.4)
    image = STATIC.fraction(model, views, 0, microscope)
    linear = LinearTier(thermal_sigma=0.0).fraction(model, views, 0, microscope)
    assert np.corrcoef(image.ravel(), linear.ravel())[0, 1] > 0.99
    total = sum(atom_kernels(microscope, [z])[z].cross_section for z in (78, 28, 78))
    assert image.sum() * 0.4**2 == pytest.approx(total, rel=0.05)
    brightest = project_positions(model.positions, ANGLES)[0]
    peak = index_to_position(np.unravel_index(image.argmax(), image.shape), image.shape, 0.4)
    assert np.linalg.norm(brightest - peak, axis=1).min() < 0.3


@pytest.mark.parametrize(
    ("position", "tier", "message"),
    [
        ((0.0, 0.0, 0.0), PrismTier(sampling=0.08), "2/3 of Nyquist"),
        ((0.0, 0.0, 5.0), STATIC, "rotation centre"),
    ],
)
def test_silent_traps_are_errors(
    microscope: Microscope, position: tuple[float, float, float], tier: PrismTier, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tier.fractions(AtomicModel([position], [29]), Views([0.0], (20, 20), 0.4), microscope)


def test_aliased_scans_warn() -> None:
    tier = PrismTier(thermal_sigma=0.0, scan_step=1.0)
    with pytest.warns(UserWarning, match="aliased"):
        tier.fractions(AtomicModel([(0.0, 0.0, 0.0)], [29]), Views([0.0], (8, 8), 1.0), NARROW)
