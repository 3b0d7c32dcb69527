"""Compute the kernel tables that PANN ships (pann/simulation/imaging/tables): some 45 s for the elements of a set-up,
and one to three minutes for its kernels out of focus, on one core. `--focus` computes the latter alone.
"""

import argparse
from pathlib import Path

from pann.core.progress import progress_bar
from pann.simulation.imaging.focus import ANCHORS, compute_focus, focus_table_name, height_step, write_focus_table
from pann.simulation.imaging.kernel_table import table_name, write_table
from pann.simulation.imaging.kernels import compute_kernel
from pann.simulation.microscope import Microscope

FOLDER = Path(__file__).resolve().parents[1] / "pann" / "simulation" / "imaging" / "tables"
ELEMENTS = range(3, 93)
HEIGHTS = 70.0
"""Of atoms from the focal plane [Å]."""
SETTINGS = (
    Microscope(300e3, 25, 40, 95, 0.0),
    Microscope(300e3, 30, 38, 200, 0.0),
    Microscope(200e3, 25, 40, 200, 0.0),
)


def elements_table(microscope: Microscope) -> None:
    """Compute and write the kernels of all elements in focus."""
    name = table_name(microscope)
    kernels = {}
    with progress_bar(name, len(ELEMENTS)) as bar:
        for number in ELEMENTS:
            kernels[number] = compute_kernel(number, microscope)
            bar.advance()
    write_table(FOLDER / name, microscope, kernels)
    print(f"wrote {FOLDER / name}")


def focus_table(microscope: Microscope) -> None:
    """Compute and write the kernels of the anchors out of focus."""
    name = focus_table_name(microscope)
    last = round(HEIGHTS / height_step(microscope))
    with progress_bar(name, len(ANCHORS)) as bar:
        weights = {}
        for number in ANCHORS:
            weights[number] = compute_focus(number, range(-last, last + 1), microscope)
            bar.advance()
    write_focus_table(FOLDER / "focus" / name, weights)
    print(f"wrote {FOLDER / 'focus' / name}")


def main() -> None:
    """Compute the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--focus", action="store_true", help="only the kernels out of focus")
    arguments = parser.parse_args()
    for microscope in SETTINGS:
        if not arguments.focus:
            elements_table(microscope)
        focus_table(microscope)


if __name__ == "__main__":
    main()
