"""Draw the results of a run side by side: a measured image, slabs of both volumes, the atoms.

python scripts/make_picture.py data/demo/series.h5 out/demo data/demo/picture.png
"""

import argparse
import sys
from pathlib import Path

from pann.io import read_atoms, read_tilt_series, read_volume
from pann.report.picture import model_picture
from pann.training.words import exit_status


def main() -> int:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", type=Path, help="tilt series in PANN's HDF5 layout")
    parser.add_argument("output", type=Path, help="output folder of infer.py")
    parser.add_argument("picture", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    refined = arguments.output / "refined.mrc"

    def draw() -> None:
        model_picture(
            arguments.picture,
            read_atoms(arguments.output / "model.xyz"),
            series=read_tilt_series(arguments.series),
            volume=read_volume(arguments.output / "volume.mrc"),
            refined=read_volume(refined) if refined.exists() else None,
        )

    return exit_status(draw)


if __name__ == "__main__":
    sys.exit(main())
