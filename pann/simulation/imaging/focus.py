"""Kernels of atoms out of focus: the probe is wider at atoms far from the focal plane.

At each of a few heights the kernel is a sum of Gaussians whose widths are the same at all heights and for all
elements, so that weights at heights in between are interpolated, and those of an element between two `ANCHORS`: the
shape of a kernel changes slowly with the atomic number. Some weights are negative: the image of an atom out of focus
is a disc with a flat top.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from math import pi
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pann.core.errors import InputError
from pann.core.files import atomic_path
from pann.simulation.imaging.kernel_table import atom_kernels, cache_folder, setting_name
from pann.simulation.imaging.kernels import fit_envelope, isolated_atom, transferred_frequencies
from pann.simulation.microscope import Microscope

_WIDTHS = (0.2, 0.32, 0.5, 0.8, 1.3, 2.4)
"""Standard deviations of the Gaussians, in units of λ / α."""
_STEP = 0.3
"""Distance of the heights of the table, in units of λ / α²."""
_RIDGE = 1e-3
"""Keeps the weights of neighbouring widths from growing against each other."""
_FORMAT = 1
ANCHORS = (6, 14, 29, 47, 79)
"""Atomic numbers whose kernels are computed; lighter and heavier elements have the shape of the nearest."""


def focal_masses(
    numbers: NDArray[np.int64], heights: NDArray[np.float64], microscope: Microscope
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaussians that make up atoms at `heights` (n_images, n_atoms) [Å] behind the focal plane.

    Tables for common set-ups are shipped, up to some 70 Å. Other set-ups and heights are computed when they are first
    needed, some five seconds a height, and kept in the cache folder.

    Returns
    -------
    sigmas : (n_atoms, k) [Å], of a point source and resting atoms.
    masses : (n_images, n_atoms, k) [Å²].
    """
    step = height_step(microscope)
    low = np.floor(heights / step).astype(int)
    steps = np.arange(low.min(), low.max() + 2)
    share = (heights / step - low)[..., None]
    elements = np.unique(numbers).tolist()
    table = _focal_weights(steps.tolist(), microscope)
    sections = {number: kernel.cross_section for number, kernel in atom_kernels(microscope, elements).items()}
    masses = np.empty((*heights.shape, len(_WIDTHS)))
    for number in elements:
        mine = numbers == number
        weights = sections[number] * _between_anchors(number, table)
        at = low[:, mine] - steps[0]
        masses[:, mine] = (1 - share[:, mine]) * weights[at] + share[:, mine] * weights[at + 1]
    return np.tile(_sigmas(microscope), (len(numbers), 1)), masses


def height_step(microscope: Microscope) -> float:
    """Distance of the heights of a table [Å]."""
    return _STEP * microscope.depth_of_focus


def _between_anchors(number: int, table: dict[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Weights (n_heights, k) of element `number`, linear in the atomic number between the anchors."""
    place = float(np.interp(number, ANCHORS, np.arange(len(ANCHORS))))
    low = min(int(place), len(ANCHORS) - 2)
    return (low + 1 - place) * table[ANCHORS[low]] + (place - low) * table[ANCHORS[low + 1]]


def _sigmas(microscope: Microscope) -> NDArray[np.float64]:
    return np.array(_WIDTHS) * microscope.wavelength / (1e-3 * microscope.semiangle)


def _focal_weights(steps: list[int], microscope: Microscope) -> dict[int, NDArray[np.float64]]:
    """Weights (n_steps, k) of the Gaussians by anchor, at heights in steps; they add to one."""
    key = replace(microscope, source_sigma=0.0)
    known = _shipped(key)
    if any(step not in known[number] for number in ANCHORS for step in steps):
        path = cache_folder() / focus_table_name(key)
        cached = _parse(path.read_text(), str(path)) if path.is_file() else {}
        known = {number: known[number] | cached.get(number, {}) for number in ANCHORS}
        missing = {number: [step for step in steps if step not in known[number]] for number in ANCHORS}
        if any(missing.values()):
            for number, wanted in missing.items():
                known[number] |= compute_focus(number, wanted, key)
            write_focus_table(path, known)
    return {number: np.array([known[number][step] for step in steps]) for number in ANCHORS}


def focus_table_name(microscope: Microscope) -> str:
    """File name of the table for `microscope`."""
    return f"{setting_name(microscope)}_focus.json"


def write_focus_table(path: Path, weights: Mapping[int, Mapping[int, list[float]]]) -> None:
    """Write `weights` (k,) by anchor and step as JSON, one height per line."""
    rows = []
    for number, entries in weights.items():
        lines = ",\n".join(f'  "{step}": {json.dumps(entries[step])}' for step in sorted(entries))
        rows.append(f' "{number}": {{\n{lines}\n }}')
    head = f'{{\n"format": {_FORMAT},\n"widths": {json.dumps(_WIDTHS)},\n"step": {_STEP},\n"elements": {{\n'
    with atomic_path(path) as temporary:
        temporary.write_text(head + ",\n".join(rows) + "\n}\n}\n")


@lru_cache(maxsize=16)
def _shipped(microscope: Microscope) -> dict[int, dict[int, list[float]]]:
    resource = files("pann.simulation.imaging") / "tables" / "focus" / focus_table_name(microscope)
    found = _parse(resource.read_text(), resource.name) if resource.is_file() else {}
    return {number: found.get(number, {}) for number in ANCHORS}


def _parse(text: str, name: str) -> dict[int, dict[int, list[float]]]:
    """Weights by anchor and step; none from a table of other widths or steps, which is computed anew."""
    try:
        content = json.loads(text)
        if (content["format"], tuple(content["widths"]), content["step"]) != (_FORMAT, _WIDTHS, _STEP):
            return {}
        return {int(n): {int(s): w for s, w in entry.items()} for n, entry in content["elements"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"kernel table {name} is damaged ({error!r}): delete it, it is computed again") from error


def compute_focus(number: int, steps: Iterable[int], microscope: Microscope) -> dict[int, list[float]]:
    """Weights (k,) of the Gaussians of element `number` by height in steps, about a second each."""
    atom = isolated_atom(number, microscope)
    frequencies = transferred_frequencies(microscope)
    envelope = fit_envelope(frequencies)
    design = np.exp(-2 * (pi * _sigmas(microscope) * frequencies[:, None]) ** 2) * envelope[:, None]
    k = design.shape[1]
    rows = np.vstack([design, _RIDGE * np.eye(k), np.full((1, k), 30.0)])
    found = {}
    for step in steps:
        transfer = atom.transfer(frequencies, step * height_step(microscope))
        target = np.concatenate([transfer * envelope, np.zeros(k), [30.0]])
        weights = np.linalg.lstsq(rows, target, rcond=None)[0]
        found[step] = [round(float(w), 5) for w in weights / weights.sum()]
    return found
