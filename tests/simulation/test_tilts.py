import numpy as np
import pytest

from pann.core import InputError
from pann.simulation.tilts import evenly_spaced, single_axis


def test_tilt_schemes() -> None:
    np.testing.assert_allclose(single_axis(65, 5)[:, 1], np.arange(-65, 66, 5))
    full = evenly_spaced(90, 36)[:, 1]
    np.testing.assert_allclose(np.diff(full), 5)
    assert full[-1] == 85
    assert evenly_spaced(60, 21)[-1, 1] == 60
    with pytest.raises(InputError, match="does not divide"):
        single_axis(65, 7)
    with pytest.raises(InputError, match="at least 2"):
        evenly_spaced(60, 1)
