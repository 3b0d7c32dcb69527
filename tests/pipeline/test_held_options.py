from dataclasses import replace

import numpy as np
import pytest

from pann.core import AtomicModel, ConfigError
from pann.pipeline.chain import held_options
from pann.pipeline.evaluation import Arm
from pann.pipeline.options import ChainOptions
from pann.pipeline.refined_atoms import loosened

SIGMAS = np.array([[0.06, 0.05, 0.07], [0.18, 0.17, 0.26]])


def refined_model() -> AtomicModel:
    return AtomicModel(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]), covariance=SIGMAS[:, :, None] ** 2 * np.eye(3))


def options(*words: str) -> ChainOptions:
    """Of the chain; `Arm` leaves the refiner out when it has no weights."""
    values = Arm("test", tuple(words)).options(["Pt"])
    return replace(
        values,
        refiner={"existence": False, "position_prior": "network", "prior_scale": 0.5, "prior_scale_disordered": 2.0},
    )


def test_atoms_are_held_by_a_share_of_their_error_bars_which_the_fit_counts_whole() -> None:
    for trust, share in ((0.0, 2.0), (0.5, 1.0), (1.0, 0.5)):
        held = held_options(options(), refined_model(), trust)
        assert held.fit is not None
        np.testing.assert_allclose(held.fit["position_prior"], share * SIGMAS)
        np.testing.assert_allclose(held.fit["prior_doubt"] * held.fit["position_prior"], SIGMAS)
        assert held.fit["prior_shared"]
        assert held.existence is None


@pytest.mark.parametrize("name", ["prior_scale", "prior_scale_disordered"])
@pytest.mark.parametrize("share", [0, -1.0, None, "wide"])
def test_a_share_of_the_error_bars_must_be_positive(name: str, share: object) -> None:
    given = options()
    given = replace(given, refiner={**(given.refiner or {}), name: share})
    with pytest.raises(ConfigError, match=f"refiner.{name}={share}"):
        held_options(given, refined_model(), 1.0)


def test_atoms_of_the_first_volume_and_a_prior_of_the_user_stay_as_they_are() -> None:
    assert held_options(options(), refined_model(), None) == options()
    held = held_options(options("fit.position_prior=0.1"), refined_model(), 1.0)
    assert held.fit is not None
    assert (held.fit["position_prior"], held.fit["prior_doubt"]) == (pytest.approx(0.1), 1)
    assert not held.fit["prior_shared"]


@pytest.mark.parametrize(
    ("classifier", "words", "expected"),
    [
        ({"method": "network", "reject": 0.5, "loosen": 0.6}, (), 0.6),
        ({"method": "network", "reject": None, "loosen": 0.6}, (), 1.0),
        ({"method": "network", "reject": 0.5, "loosen": 0.6}, ("tracing.threshold=0.4",), 1.0),
        ({"method": "scattering"}, (), 1.0),
        (None, (), 1.0),
    ],
)
def test_atoms_are_traced_loosely_only_for_a_classifier_that_rejects(
    classifier: dict | None, words: tuple[str, ...], expected: float
) -> None:
    assert loosened(replace(options(*words), classifier=classifier)) == expected
