import sys

import pytest
import torch

from pann.core import ConfigError
from pann.io.weights import Weights, load_weights, save_weights
from pann.refiner.acquisition import N_ACQUISITION
from pann.refiner.lattices.filter import LatticeFilter
from pann.refiner.net import GlobalLocalResUNet
from scripts import give_filter
from scripts.give_filter import with_filter

REFINER = {"width": 8, "blocks": 1, "global_width": 4, "global_size": 8, "embedding": 8}
FILTER = {"width": 4, "rounds": 2}


def refiner():
    torch.manual_seed(2)
    return Weights("refiner", REFINER, GlobalLocalResUNet(**REFINER).state_dict(), {"steps": 3})


def lattice(seed=4):
    torch.manual_seed(seed)
    return Weights("lattice", FILTER, LatticeFilter(**FILTER).state_dict(), {"steps": seed})


def network(weights):
    net = GlobalLocalResUNet(**weights.model)
    net.load_state_dict(weights.state)
    return net.eval()


def test_at_first_the_refiner_answers_as_before():
    given = with_filter(refiner(), lattice())
    patch = torch.rand(1, 3, 16, 16, 16)
    rest = (torch.rand(1, 1, 8, 8, 8), torch.tensor([[[-0.5, 0.5]] * 3]), torch.rand(1, N_ACQUISITION))
    with torch.inference_mode():
        torch.testing.assert_close(network(given)(patch, *rest), network(refiner())(patch[:, :2], *rest))
    assert given.card == {"steps": 3, "lattice_filter": {"steps": 4}}


def test_mean_cells_are_read_too_if_asked_for():
    given = with_filter(refiner(), lattice(), cell_averages=2)
    assert given.model["cell_averages"] == 2
    assert network(given).cell_averages == 2
    assert given.state["fold.weight"].shape[1] == 6
    again = with_filter(given, lattice(seed=5))
    assert again.model["cell_averages"] == 2


def test_atoms_of_lattices_and_detail_of_the_counts_are_read_too_if_asked_for():
    given = with_filter(refiner(), lattice(), cell_averages=2, lattice_sites=1, counts_detail=1)
    net = network(given)
    assert (net.lattice_sites, net.counts_detail) == (1, True)
    assert given.model["counts_detail"] is True
    assert given.state["fold.weight"].shape[1] == 8


def test_what_comes_earlier_among_the_channels_is_not_given_later():
    given = with_filter(refiner(), lattice(), lattice_sites=1)
    with pytest.raises(ConfigError, match="--cell-averages is 2: the refiner reads lattice_sites already"):
        with_filter(given, lattice(), cell_averages=2)


@pytest.mark.parametrize("number", [1, 4])
def test_fewer_mean_cells_than_now_and_more_than_lattices_are_refused(number):
    given = with_filter(refiner(), lattice(), cell_averages=2)
    with pytest.raises(ConfigError, match=f"--cell-averages is {number}: expected 2, as it reads now, to 3"):
        with_filter(given, lattice(), cell_averages=number)


def test_another_filter_takes_the_place_of_the_first():
    once = with_filter(refiner(), lattice())
    twice = with_filter(once, lattice(seed=5))
    for name, value in lattice(seed=5).state.items():
        torch.testing.assert_close(twice.state[f"lattice_filter.{name}"], value)
    torch.testing.assert_close(twice.state["fold.weight"], once.state["fold.weight"])


def test_the_command_line_writes_the_refiner_or_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / f"{name}.safetensors" for name in ("refiner", "lattice", "both")]
    save_weights(paths[0], refiner())
    save_weights(paths[1], lattice())
    monkeypatch.setattr(sys, "argv", ["give_filter.py", *map(str, paths[:2]), "--output", str(paths[2])])
    assert give_filter.main() == 0
    assert load_weights(paths[2], "refiner").model == {**REFINER, "lattice_filter": FILTER}
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--lattice-sites", "2", "--counts-detail"])
    assert give_filter.main() == 0
    assert load_weights(paths[2], "refiner").model["lattice_sites"] == 2
    monkeypatch.setattr(sys, "argv", ["give_filter.py", *[str(paths[0])] * 2, "--output", str(paths[2])])
    assert give_filter.main() == 2
    assert "holds a refiner, but a lattice is needed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["fold.weight", "head.0.weight"])
def test_what_is_new_begins_with_zeros(name):
    given = with_filter(refiner(), lattice()).state[name]
    assert not given[:, -1].any()
    torch.testing.assert_close(given[:, :-1], refiner().state[name])
