"""Compute the kernel tables that PANN ships (pann/simulation/imaging/tables), some 45 s each on one core."""

from pathlib import Path

from pann.core.progress import progress_bar
from pann.simulation.imaging.kernel_table import table_name, write_table
from pann.simulation.imaging.kernels import compute_kernel
from pann.simulation.microscope import Microscope

FOLDER = Path(__file__).resolve().parents[1] / "pann" / "simulation" / "imaging" / "tables"
ELEMENTS = range(3, 93)
SETTINGS = (
    Microscope(300e3, 25, 40, 95, 0.0),
    Microscope(300e3, 30, 38, 200, 0.0),
    Microscope(200e3, 25, 40, 200, 0.0),
)


def main() -> None:
    """Compute every table and write it."""
    for microscope in SETTINGS:
        name = table_name(microscope)
        kernels = {}
        with progress_bar(name, len(ELEMENTS)) as bar:
            for number in ELEMENTS:
                kernels[number] = compute_kernel(number, microscope)
                bar.advance()
        write_table(FOLDER / name, microscope, kernels)
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
