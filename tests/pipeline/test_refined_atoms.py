from dataclasses import replace

import numpy as np
import pytest

from pann.core import AtomicModel, TiltSeries, Volume
from pann.pipeline import refined_atoms as module
from pann.pipeline.evaluation import Arm
from pann.pipeline.options import ChainOptions
from pann.refiner import Refined
from pann.refiner.odds import Odds
from pann.refiner.target import gaussian_atoms

PLACES = np.array([[-3.0, 0.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
ODDS = np.array([2.0, -0.3, -9.0])
TRACING = {"min_distance": 1.8, "threshold": "auto"}


@pytest.fixture
def refined() -> Refined:
    """Peaks of 0.9, 0.5 and 0.3 where the threshold is 0.4."""
    values = gaussian_atoms(PLACES, [0.9, 0.5, 0.3], (32, 24, 24), 0.4, 0.5)
    facts = {"atom_threshold": 0.4, "odds": Odds(1.0, 0.2, 0.0, 0.4)}
    return Refined(Volume(values, 0.4, metadata={"atom_height": 1.0}), Volume(values, 0.4, metadata=facts), None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TiltSeries]:
    """Series whose counts were asked; the answer is `ODDS`."""
    seen: list[TiltSeries] = []

    def weighed(refined: Refined, series: TiltSeries, powers: np.ndarray, **tracing: object) -> tuple:
        seen.append(series)
        return AtomicModel(PLACES), ODDS

    monkeypatch.setattr(module, "weigh_refined", weighed)
    return seen


def options(*, weigh: bool = True, loosen: float = 0.6) -> ChainOptions:
    classifier = {"method": "network", "reject": 0.5, "loosen": loosen}
    return replace(Arm("test").options(["Pt"]), refiner={"smoothing": 0.2, "weigh": weigh}, classifier=classifier)


def series(kind: str = "counts") -> TiltSeries:
    return TiltSeries(np.arange(192, dtype=np.float32).reshape(3, 8, 8), np.array([-30.0, 0.0, 30.0]), 0.4, kind=kind)


def test_atoms_are_those_of_even_odds_and_looser_ones_for_a_classifier_that_rejects(refined, asked) -> None:
    found = module.refined_atoms(refined, series(), options(), TRACING)
    np.testing.assert_array_equal(found.atoms.positions, PLACES[:1])
    np.testing.assert_array_equal(found.looser.positions, PLACES[:2])  # -0.3 is above logit(0.24) - logit(0.4)
    np.testing.assert_array_equal(found.odds, ODDS[:2])
    strict = module.refined_atoms(refined, series(), options(loosen=1.0), TRACING)
    np.testing.assert_array_equal(strict.looser.positions, PLACES[:1])


@pytest.mark.parametrize(
    ("chosen", "given", "tracing"),
    [
        (options(weigh=False), series(), TRACING),
        (options(), series("intensity"), TRACING),
        (replace(options(), elements=()), series(), TRACING),
    ],
)
def test_the_height_decides_where_the_counts_cannot(refined, asked, chosen, given, tracing) -> None:
    found = module.refined_atoms(refined, given, chosen, tracing)
    assert not asked
    assert len(found.atoms) == 2  # 0.9 and 0.5
    assert found.odds is None


def test_a_threshold_of_the_user_stands(refined, asked) -> None:
    found = module.refined_atoms(refined, series(), options(), TRACING | {"threshold": 0.7})
    assert not asked
    assert len(found.atoms) == 1
