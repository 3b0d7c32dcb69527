"""Put a trained filter of the lattice into a refiner: python scripts/give_filter.py REFINER LATTICE --output C

LATTICE is what `train.py stage=lattice` wrote; a filter that the refiner has already is replaced. With
--cell-averages N the refiner reads the mean cells of the best N lattices, too, with --lattice-sites N the atoms of the
best N, with --counts-detail what detail the counts show. Convolutions that read what is new begin with zeros there, so
that at first the refiner answers as before; in this order: who reads a later one is given no earlier one. Train it on:
python train.py stage=refiner experiment=refiner_tuned from_weights=C
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor, cat

from pann.core import ConfigError
from pann.io.weights import Weights, load_weights, save_weights
from pann.refiner.lattices.orientation import GRAINS
from pann.refiner.nets import network_of
from pann.training.words import exit_status

PLACE = "lattice_filter"
"""Of the filter in the refiner."""
VIEWS = {"cell_averages": GRAINS, "lattice_sites": GRAINS, "counts_detail": 1}
"""The most of each that a refiner reads, in the order of its channels."""


def with_filter(refiner: Weights, lattice: Weights, **views: int) -> Weights:
    """`refiner` with the parameters, the arguments and the card of `lattice`.

    Parameters
    ----------
    views : how many of the `VIEWS` it is to read; of those that are left out as many as it does.

    Raises
    ------
    ConfigError : fewer than it reads now, or more than there are, or of some that come before others that it reads.
    """
    model = refiner.model | {PLACE: lattice.model}
    for place, (name, most) in enumerate(VIEWS.items()):
        number, least = views.get(name, refiner.model.get(name, 0)), refiner.model.get(name, 0)
        option = "--" + name.replace("_", "-")
        if not least <= number <= most:
            raise ConfigError(f"{option} is {int(number)}: expected {int(least)}, as it reads now, to {most}")
        later = [other for other in list(VIEWS)[place + 1 :] if refiner.model.get(other, 0)]
        if number > least and later:
            raise ConfigError(f"{option} is {int(number)}: the refiner reads {later[0]} already, which comes after it")
        if name in views:
            model[name] = bool(number) if most == 1 else number
    before = network_of(refiner.model)
    before.load_state_dict(refiner.state)
    given = before.state_dict() | {f"{PLACE}.{name}": value for name, value in lattice.state.items()}
    state = {name: widened(given[name], like) for name, like in network_of(model).state_dict().items()}
    return replace(refiner, model=model, state=state, card=refiner.card | {PLACE: lattice.card})


def widened(kernel: Tensor, like: Tensor) -> Tensor:
    """`kernel` with zeros for the inputs that `like` has and it has not: the last ones."""
    if kernel.shape == like.shape:
        return kernel
    missing = like.shape[1] - kernel.shape[1]
    return cat([kernel, kernel.new_zeros(kernel.shape[0], missing, *kernel.shape[2:])], dim=1)


def main() -> int:
    """Parse the command line and write the refiner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("refiner", type=Path)
    parser.add_argument("lattice", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    as_now = {"type": int, "default": argparse.SUPPRESS}
    parser.add_argument("--cell-averages", help="mean cells that the refiner reads; as now if left out", **as_now)
    parser.add_argument("--lattice-sites", help="lattices whose atoms it reads; as now if left out", **as_now)
    parser.add_argument("--counts-detail", action="store_const", const=1, default=argparse.SUPPRESS)
    arguments = parser.parse_args()

    def give() -> None:
        refiner, lattice = load_weights(arguments.refiner, "refiner"), load_weights(arguments.lattice, "lattice")
        views = {name: value for name, value in vars(arguments).items() if name in VIEWS}
        save_weights(arguments.output, with_filter(refiner, lattice, **views))

    return exit_status(give)


if __name__ == "__main__":
    sys.exit(main())
