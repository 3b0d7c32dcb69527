"""How the cross-section of an atom grows with its atomic number, by detector; writes docs/cross_sections.md.

Pt against Ni, each a phase object exp(i σ V) with the potential of Lobato and Van Dyck, computed in three ways: without
any grid, as the kernels of the linear tier are, and on the grids of abTEM's potential. Takes some minutes of one core.
"""

import argparse
from collections.abc import Callable
from functools import partial
from math import log, pi
from pathlib import Path

import numpy as np
from abtem.core.energy import energy2sigma
from abtem.parametrizations import LobatoParametrization
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.special import j0

from pann.core.files import atomic_path
from pann.core.progress import progress_bar
from pann.report.markdown import markdown_table
from pann.simulation.imaging.abtem_tools import abtem_slices
from pann.simulation.imaging.box import Box
from pann.simulation.imaging.kernels import IsolatedAtom
from pann.simulation.imaging.waves import Specimen
from pann.simulation.microscope import Microscope

ROOT = Path(__file__).resolve().parents[1]
LIGHT, HEAVY, OUTER = 28, 78, 198
"""Atomic numbers; outer angle of the detector [mrad]."""
SET_UPS = ((300e3, 25, 40), (300e3, 25, 60), (300e3, 25, 80), (300e3, 15, 60), (300e3, 30, 60), (200e3, 25, 40))
"""Energy [eV], semi-angle of the probe and inner angle of the detector [mrad]."""
ASKED = {(300e3, 25, 40): 1.54, (300e3, 25, 60): 1.69, (200e3, 25, 40): 1.45}
"""Earlier scans of single atoms by abTEM's multislice at 0.033 Å."""
SAMPLINGS = (0.030, 0.020, 0.010, 0.005)
"""Of abTEM's potential [Å], the first as coarse as 198 mrad at 300 kV allow."""
EDGE = 10.0
"""Of the cell of abTEM's potential [Å]."""
REACH, N_RADII, N_FREQUENCIES, N_NODES, N_ANGLES = 10.0, 100_000, 400, 60, 90
"""Of the calculation without a grid: radius of the phase object [Å], points along it, spatial frequencies at which it
is transformed, and nodes of the integrals over the probe and the detector."""


def amplitude(number: int, energy: float, frequencies: NDArray[np.float64]) -> NDArray[np.complex128]:
    """∫ (exp(i σ V) − 1) exp(−2πi k·r) d²r [Å²] at `frequencies` [1/Å], as a Hankel transform."""
    # radii crowd together about the nucleus, where the projected potential grows as a logarithm
    root = (np.arange(N_RADII) + 0.5) / N_RADII
    radii, weights = REACH * root**3, 3 * REACH * root**2 / N_RADII
    potential = LobatoParametrization().projected_potential(chemical_symbols[number])(radii)
    rings = 2 * pi * radii * weights * (np.exp(1j * energy2sigma(energy) * potential) - 1)
    return np.array([(rings * j0(2 * pi * k * radii)).sum() for k in frequencies])


def without_grid(number: int, microscope: Microscope) -> float:
    """Cross-section [Å²]: what the waves k of the probe scatter on average into the waves k' of the detector."""
    largest, inner, outer = (
        1e-3 * angle / microscope.wavelength for angle in (microscope.semiangle, microscope.inner, microscope.outer)
    )
    frequencies = np.linspace(inner - largest, outer + largest, N_FREQUENCIES)
    power = np.abs(amplitude(number, microscope.energy, frequencies)) ** 2
    nodes, shares = np.polynomial.legendre.leggauss(N_NODES)
    out, out_share = inner + (outer - inner) * (nodes + 1) / 2, shares / 2 * (outer - inner)
    into, into_share = largest * (nodes + 1) / 2, shares / 2 * largest
    cosines = np.cos((np.arange(N_ANGLES) + 0.5) * pi / N_ANGLES)
    products = out[:, None, None] * into[None, :, None] * cosines
    change = np.sqrt(out[:, None, None] ** 2 + into[None, :, None] ** 2 - 2 * products)
    scattered = np.interp(change, frequencies, power).mean(2)
    return float((2 * pi * out * out_share) @ scattered @ (2 * into * into_share) / largest**2)


def of_kernels(number: int, microscope: Microscope) -> float:
    """Cross-section [Å²] of the kernels of the linear tier."""
    return IsolatedAtom(number, microscope).cross_section()


def of_abtem(number: int, microscope: Microscope, sampling: float) -> float:
    """Cross-section [Å²] of abTEM's potential: the mean over two places, on and between points of the grid."""
    atom = IsolatedAtom(number, microscope, EDGE, sampling)
    box = Box((EDGE, EDGE, 2.0), (atom.n, atom.n), (1, 1), 1, (1, 1), np.zeros(3))
    found = []
    for place in EDGE / 2 + np.array([0.0, 0.5]) * EDGE / atom.n:
        specimen = Specimen(np.array([number]), np.array([[place, place, 1.0]]), box, 2.0)
        atom.transmission = abtem_slices(specimen, microscope.energy)[0]
        found.append(atom.cross_section())
    return float(np.mean(found))


def exponent(cross_section: Callable[[int, Microscope], float], microscope: Microscope) -> float:
    """Of the atomic number, between `LIGHT` and `HEAVY`."""
    light, heavy = (cross_section(number, microscope) for number in (LIGHT, HEAVY))
    return log(heavy / light) / log(HEAVY / LIGHT)


def table() -> str:
    """Of all set-ups, in Markdown."""
    names = ["kV", "probe [mrad]", "detector [mrad]", "Pt, no grid [Å²]", "Pt, kernels [Å²]", "earlier scans"]
    names += ["no grid", "kernels", *(f"abTEM, {sampling:.3f} Å" for sampling in SAMPLINGS)]
    lines = []
    with progress_bar("set-ups", len(SET_UPS)) as bar:
        for energy, semiangle, inner in SET_UPS:
            microscope = Microscope(energy=energy, semiangle=semiangle, inner=inner, outer=OUTER)
            ways = [without_grid, of_kernels, *(partial(of_abtem, sampling=sampling) for sampling in SAMPLINGS)]
            sections = [f"{way(HEAVY, microscope):.5f}" for way in ways[:2]]
            asked = ASKED.get((energy, semiangle, inner), "-")
            found = [f"{exponent(way, microscope):.3f}" for way in ways]
            lines.append([f"{energy / 1e3:g}", f"{semiangle}", f"{inner}-{OUTER}", *sections, f"{asked}", *found])
            bar.advance()
    return markdown_table(names, lines)


TEXT = """# Cross-sections and atomic number

Printed by `python scripts/compare_exponents.py`: the exponent of Z between Ni and Pt, log(σ_Pt / σ_Ni) / log(78 / 28),
of the cross-section σ of an atom for an annular detector. σ is the integral of the image over the plane; aberrations,
source and thermal motion spread the image and do not change it.

{table}

"No grid" integrates the phase object radius by radius from the nucleus outwards, and probe and detector in polar
coordinates; it shares nothing with the kernels but the potential. "abTEM" is abTEM's potential on grids of points,
which do not resolve the cusp of the phase at the nucleus of a heavy atom: what scatters to high angles depends on the
grid, and the exponent falls as the grid gets finer. The earlier scans, at 0.033 Å, are of that kind: 1.69 for 60-198
mrad at 300 kV is the number of such a grid, not of the atoms. The kernels compute the phase on a finer grid and filter
it (`pann.simulation.imaging.potential`); they agree with the calculation without a grid to 0.003.
"""


def main() -> None:
    """Parse the arguments, compute, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "cross_sections.md")
    options = parser.parse_args()
    text = TEXT.format(table=table())
    print(text)
    with atomic_path(options.output) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
