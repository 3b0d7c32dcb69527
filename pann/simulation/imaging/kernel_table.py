"""Tables of atom kernels: the shipped ones, and others computed on demand and kept in the user's cache."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from pann.core.errors import InputError
from pann.core.files import atomic_path
from pann.core.psf import PointSpread
from pann.simulation.imaging.kernels import AtomKernel, compute_kernel
from pann.simulation.microscope import Microscope

_FORMAT = 1
_COMPUTATION = 2
"""Raised when kernels are computed in another way: those that the cache holds are then computed again."""


def table_name(microscope: Microscope) -> str:
    """File name of the table for the energy, probe and detector of `microscope`; the source does not enter."""
    return f"{setting_name(microscope)}.json"


def setting_name(microscope: Microscope) -> str:
    """Energy, probe, detector and the aberrations that are not zero, as part of a file name."""
    m = microscope
    parts = [f"adf_{m.energy / 1e3:g}kV_{m.semiangle:g}mrad_{m.inner:g}-{m.outer:g}mrad"]
    if m.astigmatism:
        parts.append(f"C12_{m.astigmatism:g}A")
    if m.coma:
        parts.append(f"C21_{m.coma:g}A")
    if m.astigmatism and m.coma:  # directions matter only relative to each other
        parts.append(f"at_{(m.astigmatism_angle - m.coma_angle) % 180:g}deg")
    if m.spherical:
        parts.append(f"C30_{m.spherical:g}A")
    if m.focal_spread:
        parts.append(f"spread_{m.focal_spread:g}A")
    return "_".join(parts)


def cache_folder() -> Path:
    """Where computed kernels are kept: $PANN_CACHE, else the user's cache folder."""
    named = os.environ.get("PANN_CACHE")
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pann"
    return base / "kernels" / f"computation_{_COMPUTATION}"


def shipped_microscopes() -> list[Microscope]:
    """Set-ups whose tables come with PANN, with a source of zero size."""
    folder = files("pann.simulation.imaging") / "tables"
    found = [json.loads(entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".json")]
    microscopes = [Microscope(**entry["microscope"], source_sigma=0.0) for entry in found]
    return sorted(microscopes, key=lambda m: (m.energy, m.semiangle, m.inner, m.outer))


def atom_kernels(microscope: Microscope, numbers: Iterable[int]) -> dict[int, AtomKernel]:
    """Kernels of the elements `numbers` in `microscope`, by atomic number.

    Shipped tables hold elements 3 to 92 for common set-ups. For others each element is computed once (about half a
    second, with abTEM) and kept in `cache_folder`.
    """
    wanted = sorted({int(number) for number in numbers})
    key = replace(microscope, source_sigma=0.0)
    known = dict(_shipped(key))
    if any(number not in known for number in wanted):
        path = cache_folder() / table_name(key)
        known |= _parse(path.read_text(), str(path)) if path.is_file() else {}
        missing = [number for number in wanted if number not in known]
        if missing:
            # rounded as in the table, so that the next call gives the very same images
            known |= {number: _kernel(_entry(compute_kernel(number, key))) for number in missing}
            write_table(path, key, known)
    return {number: known[number] for number in wanted}


def write_table(path: Path, microscope: Microscope, kernels: Mapping[int, AtomKernel]) -> None:
    """Write `kernels` for `microscope` as JSON, one element per line."""
    setting = {key: value for key, value in microscope.to_dict().items() if key != "source_sigma"}
    rows = [f'  "{number}": {json.dumps(_entry(kernel))}' for number, kernel in sorted(kernels.items())]
    head = f'{{\n"format": {_FORMAT},\n"microscope": {json.dumps(setting)},\n"elements": {{\n'
    with atomic_path(path) as temporary:
        temporary.write_text(head + ",\n".join(rows) + "\n}\n}\n")


@lru_cache(maxsize=16)
def _shipped(microscope: Microscope) -> Mapping[int, AtomKernel]:
    resource = files("pann.simulation.imaging") / "tables" / table_name(microscope)
    return _parse(resource.read_text(), table_name(microscope)) if resource.is_file() else {}


def _parse(text: str, name: str) -> dict[int, AtomKernel]:
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT:
            raise InputError(
                f"kernel table {name} has format {content['format']}, this PANN reads {_FORMAT}: delete it"
            )
        return {int(number): _kernel(entry) for number, entry in content["elements"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"kernel table {name} is damaged ({error!r}): delete it, it is computed again") from error


def _entry(kernel: AtomKernel) -> dict[str, float | list[float]]:
    return {
        "cross_section": float(f"{kernel.cross_section:.6g}"),
        "sigmas": [round(sigma, 5) for sigma in kernel.profile.sigmas],
        "weights": [round(weight, 5) for weight in kernel.profile.weights],
    }


def _kernel(entry: Mapping[str, float | list[float]]) -> AtomKernel:
    sigmas, weights = entry["sigmas"], entry["weights"]
    if not isinstance(sigmas, list) or not isinstance(weights, list) or not isinstance(entry["cross_section"], float):
        raise TypeError("an element holds no numbers")
    total = sum(weights)  # rounded shares add to one only nearly
    return AtomKernel(entry["cross_section"], PointSpread(tuple(sigmas), tuple(weight / total for weight in weights)))
