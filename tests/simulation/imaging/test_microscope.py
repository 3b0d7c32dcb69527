import pytest

from pann.core import InputError
from pann.simulation import Microscope


def test_nyquist_step_and_sampling_limit(microscope: Microscope) -> None:
    assert microscope.wavelength == pytest.approx(0.019687, rel=1e-4)
    assert microscope.nyquist_step == pytest.approx(0.197, abs=5e-4)
    assert microscope.sampling_limit == pytest.approx(0.0691, abs=5e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy": 300}, "give it in eV"),
        ({"outer": 30}, "outer <= inner"),
        ({"inner": 20}, "bright-field"),
        ({"source_sigma": -1}, "source_sigma"),
        ({"semiangle": float("nan")}, "semiangle"),
    ],
)
def test_impossible_set_ups_are_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Microscope(**changes)
