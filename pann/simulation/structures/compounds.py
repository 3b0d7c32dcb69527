"""Named crystals with their measured lattice constants."""

from functools import cache
from typing import NamedTuple

import numpy as np
from ase.spacegroup import crystal
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core.elements import atomic_number
from pann.simulation.structures.lattices import Lattice


class _Entry(NamedTuple):
    """Space group, cell (a, b, c [Å], angles [deg]), sites by element and, of layered crystals, `Lattice.layers`."""

    group: int
    cell: tuple[float, ...]
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    setting: int = 1
    layers: tuple[float, float] | None = None


def _cubic(edge: float) -> tuple[float, ...]:
    return (edge, edge, edge, 90, 90, 90)


def _tetragonal(a: float, c: float) -> tuple[float, ...]:
    return (a, a, c, 90, 90, 90)


def _hexagonal(a: float, c: float) -> tuple[float, ...]:
    return (a, a, c, 90, 90, 120)


def _rocksalt(edge: float, cation: str, anion: str) -> _Entry:
    return _Entry(225, _cubic(edge), ((cation, (0, 0, 0)), (anion, (0.5, 0.5, 0.5))))


def _zincblende(edge: float, cation: str, anion: str) -> _Entry:
    return _Entry(216, _cubic(edge), ((cation, (0, 0, 0)), (anion, (0.25, 0.25, 0.25))))


def _wurtzite(a: float, c: float, u: float, cation: str, anion: str) -> _Entry:
    return _Entry(186, _hexagonal(a, c), ((cation, (1 / 3, 2 / 3, 0)), (anion, (1 / 3, 2 / 3, u))))


def _perovskite(edge: float, a: str, b: str, x: str) -> _Entry:
    return _Entry(221, _cubic(edge), ((a, (0, 0, 0)), (b, (0.5, 0.5, 0.5)), (x, (0.5, 0.5, 0))))


def _disulfide(a: float, c: float, z: float, metal: str) -> _Entry:
    sites = ((metal, (1 / 3, 2 / 3, 0.25)), ("S", (1 / 3, 2 / 3, z)))
    return _Entry(194, _hexagonal(a, c), sites, layers=(0.25, 0.5))


_TABLE: dict[str, _Entry] = {
    # tetragonal at 300 K: Kwei et al., J. Phys. Chem. 97, 2368 (1993)
    "BaTiO3": _Entry(
        99,
        _tetragonal(3.99095, 4.0352),
        (("Ba", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5224)), ("O", (0.5, 0.5, -0.0244)), ("O", (0.5, 0, 0.4895))),
    ),
    # ICDD 35-0734
    "SrTiO3": _perovskite(3.905, "Sr", "Ti", "O"),
    # cubic phase, above 130 °C: Møller, Nature 182, 1436 (1958)
    "CsPbBr3": _perovskite(5.874, "Cs", "Pb", "Br"),
    # ICDD 34-0394
    "CeO2": _Entry(225, _cubic(5.4113), (("Ce", (0, 0, 0)), ("O", (0.25, 0.25, 0.25)))),
    # Abrahams and Bernstein, J. Chem. Phys. 55, 3206 (1971)
    "TiO2_rutile": _Entry(136, _tetragonal(4.5937, 2.9587), (("Ti", (0, 0, 0)), ("O", (0.3048, 0.3048, 0)))),
    # Horn, Schwerdtfeger and Meagher, Z. Kristallogr. 136, 273 (1972)
    "TiO2_anatase": _Entry(141, _tetragonal(3.7842, 9.5146), (("Ti", (0, 0, 0)), ("O", (0, 0, 0.2081)))),
    # inverse spinel: Fleet, Acta Cryst. B 37, 917 (1981)
    "Fe3O4": _Entry(
        227,
        _cubic(8.3941),
        (("Fe", (0.125, 0.125, 0.125)), ("Fe", (0.5, 0.5, 0.5)), ("O", (0.2549, 0.2549, 0.2549))),
        setting=2,
    ),
    # Schönfeld, Huang and Moss, Acta Cryst. B 39, 404 (1983); Schutte et al., J. Solid State Chem. 70, 207 (1987)
    "MoS2": _disulfide(3.1604, 12.295, 0.621, "Mo"),
    "WS2": _disulfide(3.1532, 12.323, 0.6225, "W"),
    # Kisi and Elcombe, Acta Cryst. C 45, 1867 (1989)
    "ZnO": _wurtzite(3.2501, 5.2071, 0.3817, "Zn", "O"),
    # Madelung, Semiconductors: Data Handbook, 3rd ed. (2004): II-VI, III-V and IV-VI semiconductors
    "CdSe": _wurtzite(4.2999, 7.0109, 0.3767, "Cd", "Se"),
    "CdSe_zincblende": _zincblende(6.052, "Cd", "Se"),
    "CdTe": _zincblende(6.482, "Cd", "Te"),
    "ZnS": _zincblende(5.4102, "Zn", "S"),
    "GaAs": _zincblende(5.6533, "Ga", "As"),
    "InP": _zincblende(5.8687, "In", "P"),
    "InAs": _zincblende(6.0583, "In", "As"),
    "GaN": _wurtzite(3.189, 5.185, 0.377, "Ga", "N"),
    "PbS": _rocksalt(5.936, "Pb", "S"),
    "PbSe": _rocksalt(6.124, "Pb", "Se"),
    "PbTe": _rocksalt(6.462, "Pb", "Te"),
    # Wyckoff, Crystal Structures, 2nd ed. (1963)
    "MgO": _rocksalt(4.2112, "Mg", "O"),
    "NiO": _rocksalt(4.1684, "Ni", "O"),
    # intermetallics: Villars and Calvert, Pearson's Handbook, 2nd ed. (1991)
    "FePt": _Entry(123, _tetragonal(2.724, 3.713), (("Fe", (0, 0, 0)), ("Pt", (0.5, 0.5, 0.5)))),
    "CoPt": _Entry(123, _tetragonal(2.690, 3.701), (("Co", (0, 0, 0)), ("Pt", (0.5, 0.5, 0.5)))),
    "Cu3Au": _Entry(221, _cubic(3.749), (("Au", (0, 0, 0)), ("Cu", (0, 0.5, 0.5)))),
    "Ni3Al": _Entry(221, _cubic(3.572), (("Al", (0, 0, 0)), ("Ni", (0, 0.5, 0.5)))),
    "NiAl": _Entry(221, _cubic(2.887), (("Ni", (0, 0, 0)), ("Al", (0.5, 0.5, 0.5)))),
    # silica zeolite frameworks, idealised: Baerlocher and McCusker, Database of Zeolite Structures (IZA)
    "SOD": _Entry(229, _cubic(8.965), (("Si", (0.25, 0.5, 0)), ("O", (0.3534, 0.3534, 0)))),
    "LTA": _Entry(
        221,
        _cubic(11.919),
        (
            ("Si", (0, 0.1823, 0.3684)),
            ("O", (0, 0.2122, 0.5)),
            ("O", (0, 0.2967, 0.2967)),
            ("O", (0.1103, 0.1103, 0.3384)),
        ),
    ),
}

COMPOUNDS = tuple(_TABLE)
"""Names of the crystals whose elements and lattice constants are known."""


@cache
def compound(name: str) -> Lattice:
    """The lattice of one of the `COMPOUNDS`; its sublattices are the elements, in the order of the table."""
    entry = _TABLE[name]
    cell = crystal(
        [symbol for symbol, _ in entry.sites],
        [place for _, place in entry.sites],
        spacegroup=entry.group,
        setting=entry.setting,
        cellpar=list(entry.cell),
    )
    symbols = list(dict.fromkeys(symbol for symbol, _ in entry.sites))
    numbers = tuple(atomic_number(symbol) for symbol in symbols)
    return Lattice(
        np.asarray(cell.cell[:]),
        cell.get_scaled_positions(),
        np.array([numbers.index(number) for number in cell.numbers]),
        float(nearest_distances(cell.cell[:], cell.get_scaled_positions()).min()),
        numbers,
        layers=entry.layers,
    )


def nearest_distances(cell: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (m,) [Å] of each site to the nearest other, with cell edges (3, 3) and fractional `basis` (m, 3)."""
    shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    around = (basis[None] + shifts[:, None]).reshape(-1, 3) @ cell
    return np.asarray(cKDTree(around).query(basis @ cell, k=2)[0][:, 1])
