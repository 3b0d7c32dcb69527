"""The filter of the lattice, from its training to a refiner that reads it."""

import csv

import pytest

from pann.core import ConfigError
from pann.io import load_weights, save_weights
from pann.refiner import Refiner
from pann.training.fit import fit
from scripts.give_filter import with_filter
from tests.training.conftest import LIGHTNING_WARNINGS, SHRUNK

pytestmark = LIGHTNING_WARNINGS

FILTER = "{width: 4, rounds: 2}"
OTHER = [option for option in SHRUNK if not option.startswith(("stage=", "model=", "task."))]
PLACES = (("first/refiner.safetensors", "refiner"), ("lattice/lattice.safetensors", "lattice"))


def test_a_filter_is_trained_and_a_refiner_goes_on_with_it(configuration, tmp_path):
    small = ["stage=lattice", "model.width=4", "model.rounds=2"]
    fit(configuration(*small, output="lattice", shrunk=OTHER))
    with (tmp_path / "lattice" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/learnt")]
    assert 0 < float(rows[-1]["val/learnt"]) < 10
    assert float(rows[-1]["val/plain"]) > 0
    fit(configuration(output="first"))
    refiner, lattice = (load_weights(tmp_path / place, stage) for place, stage in PLACES)
    save_weights(tmp_path / "both.safetensors", with_filter(refiner, lattice))
    fit(configuration(f"+model.lattice_filter={FILTER}", f"from_weights={tmp_path / 'both.safetensors'}"))
    net = Refiner.load(tmp_path / "run" / "refiner.safetensors").net
    for name, value in lattice.state.items():  # it is not trained on
        assert net.lattice_filter.state_dict()[name].allclose(value, atol=1e-3)
    assert net.fold.weight[:, -1].any()  # while what reads it is


def test_a_filter_that_was_not_trained_is_refused(configuration):
    with pytest.raises(ConfigError, match=r"lattice_filter is not trained: give from_weights="):
        fit(configuration(f"+model.lattice_filter={FILTER}"))
