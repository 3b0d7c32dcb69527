"""Put a trained filter of the lattice into a refiner: python scripts/give_filter.py REFINER LATTICE --output C

LATTICE is what `train.py stage=lattice` wrote; a filter that the refiner has already is replaced. With
--cell-averages N the refiner reads the mean cells of the best N lattices, too. Convolutions that read what is new begin
with zeros there, so that at first the refiner answers as before. Train it on:
python train.py stage=refiner experiment=refiner_tuned from_weights=C
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor, cat

from pann.core import ConfigError
from pann.io.weights import Weights, load_weights, save_weights
from pann.refiner.nets import network_of
from pann.refiner.orientation import GRAINS
from pann.training.words import exit_status

PLACE = "lattice_filter"
"""Of the filter in the refiner."""
CELLS = "cell_averages"
"""Of the number of mean cells that the refiner reads."""


def with_filter(refiner: Weights, lattice: Weights, cell_averages: int | None = None) -> Weights:
    """`refiner` with the parameters, the arguments and the card of `lattice`.

    Parameters
    ----------
    cell_averages : mean cells that it is to read; None for as many as it does.

    Raises
    ------
    ConfigError : fewer of them than it reads now, or more than lattices are looked for.
    """
    model = refiner.model | {PLACE: lattice.model}
    if cell_averages is not None:
        least = refiner.model.get(CELLS, 0)
        if not least <= cell_averages <= GRAINS:
            raise ConfigError(f"--cell-averages is {cell_averages}: expected {least}, as it reads now, to {GRAINS}")
        model[CELLS] = cell_averages
    given = refiner.state | {f"{PLACE}.{name}": value for name, value in lattice.state.items()}
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
    parser.add_argument("--cell-averages", type=int, help="mean cells that the refiner reads; as now if left out")
    arguments = parser.parse_args()

    def give() -> None:
        refiner, lattice = load_weights(arguments.refiner, "refiner"), load_weights(arguments.lattice, "lattice")
        save_weights(arguments.output, with_filter(refiner, lattice, arguments.cell_averages))

    return exit_status(give)


if __name__ == "__main__":
    sys.exit(main())
