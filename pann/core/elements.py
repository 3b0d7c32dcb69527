"""Element symbols and atomic numbers, and the bond lengths that follow from them."""

from collections.abc import Iterable
from difflib import get_close_matches

import numpy as np
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from pann.core.errors import InputError

UNKNOWN = 0
"""Atomic number of an atom whose element is not known; its symbol is X."""


def atomic_number(element: str | int) -> int:
    """Atomic number of a symbol ("Pt") or a number (78).

    Raises InputError, with the nearest symbols, when there is no such element.
    """
    text = str(element).strip()
    if text.isdigit():
        number = int(text)
        if 0 < number < len(chemical_symbols):
            return number
        raise InputError(f"there is no element of atomic number {number}: give a symbol such as Pt")
    number = atomic_numbers.get(text.capitalize(), 0)
    if not number:
        near = get_close_matches(text.capitalize(), chemical_symbols[1:], n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "give symbols such as [Co,Pt]"
        raise InputError(f"elements: there is no element {text!r}; {hint}")
    return int(number)


def symbols(numbers: Iterable[int]) -> list[str]:
    """Chemical symbols of atomic `numbers`."""
    return [chemical_symbols[int(number)] for number in numbers]


def shortest_bond(numbers: Iterable[int]) -> float:
    """Shortest bond [Å] expected among elements: twice the smallest covalent radius (Cordero et al. 2008, in ASE)."""
    return float(2 * np.min(covalent_radii[list(numbers)]))
