"""Average the weights of two networks that have one ancestor: python scripts/average_weights.py A B --output C

Half of a fine-tuned network and half of the one that it began with is often better than either, above all on samples
unlike those of the fine-tuning (Wortsman et al., CVPR 2022, arXiv:2109.01903). Calibrate the result afterwards:
python train.py stage=refiner weights=C calibrate=true
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from pann.core import CheckpointError
from pann.io.weights import Weights, load_weights, save_weights
from pann.training.words import exit_status


def averaged(one: Weights, other: Weights, share: float) -> Weights:
    """(1 − `share`) of `one` and `share` of `other`, with the card of `other` and what it was mixed with.

    Raises CheckpointError for networks of different arguments.
    """
    if one.model != other.model:
        raise CheckpointError("the two files hold networks of different arguments: their weights have no mean")
    state = {
        name: ((1 - share) * value.double() + share * other.state[name].double()).to(value.dtype)
        for name, value in one.state.items()
    }
    mixed = {"share": share, "with": {key: one.card.get(key) for key in ("steps", "seed")}}
    return replace(other, state=state, card=other.card | {"averaged": mixed})


def main() -> int:
    """Parse the command line and write the average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--stage", default="refiner", choices=["refiner", "classifier"])
    parser.add_argument("--share", type=float, default=0.5, help="of the second file, 0 ... 1")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not 0 <= arguments.share <= 1:
        parser.error(f"--share {arguments.share}: expected 0 ... 1")

    def average() -> None:
        one, other = (load_weights(path, arguments.stage) for path in (arguments.one, arguments.other))
        save_weights(arguments.output, averaged(one, other, arguments.share))

    return exit_status(average)


if __name__ == "__main__":
    sys.exit(main())
