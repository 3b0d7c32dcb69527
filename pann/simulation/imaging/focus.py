"""Kernels of atoms out of focus: the probe is wider at atoms far from the focal plane.

At each of a few heights the kernel is a sum of Gaussians whose widths are the same at all heights and for all
elements, so that weights at heights in between are interpolated. Some weights are negative: the image of an atom out
of focus is a disc with a flat top.
"""

import json
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


def focal_masses(
    numbers: NDArray[np.int64], heights: NDArray[np.float64], microscope: Microscope
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gaussians that make up atoms at `heights` (n_images, n_atoms) [Å] behind the focal plane.

    Elements and heights that no earlier call needed are computed (half a second each) and kept in the cache folder.

    Returns
    -------
    sigmas : (n_atoms, k) [Å], of a point source and resting atoms.
    masses : (n_images, n_atoms, k) [Å²].
    """
    step = _STEP * microscope.depth_of_focus
    low = np.floor(heights / step).astype(int)
    steps = np.arange(low.min(), low.max() + 2)
    share = (heights / step - low)[..., None]
    elements = np.unique(numbers).tolist()
    table = _focal_weights(elements, steps.tolist(), microscope)
    sections = {number: kernel.cross_section for number, kernel in atom_kernels(microscope, elements).items()}
    masses = np.empty((*heights.shape, len(_WIDTHS)))
    for number in elements:
        mine = numbers == number
        weights = sections[number] * np.array([table[number][int(step)] for step in steps])
        at = low[:, mine] - steps[0]
        masses[:, mine] = (1 - share[:, mine]) * weights[at] + share[:, mine] * weights[at + 1]
    return np.tile(_sigmas(microscope), (len(numbers), 1)), masses


def _sigmas(microscope: Microscope) -> NDArray[np.float64]:
    return np.array(_WIDTHS) * microscope.wavelength / (1e-3 * microscope.semiangle)


def _focal_weights(
    numbers: list[int], steps: list[int], microscope: Microscope
) -> dict[int, dict[int, NDArray[np.float64]]]:
    """Weights (k,) of the Gaussians by element and by height in steps; they add to one."""
    path = cache_folder() / f"{setting_name(microscope)}_focus.json"
    known = _read(path)
    missing = {n: [s for s in steps if s not in known.get(n, {})] for n in numbers}
    if any(missing.values()):
        for number, wanted in missing.items():
            if wanted:
                known.setdefault(number, {}).update(_computed(number, wanted, microscope))
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"format": _FORMAT, "widths": _WIDTHS, "step": _STEP, "elements": known}))
    return {n: {s: np.array(known[n][s]) for s in steps} for n in numbers}


def _read(path: Path) -> dict[int, dict[int, list[float]]]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
        if (content["format"], tuple(content["widths"]), content["step"]) != (_FORMAT, _WIDTHS, _STEP):
            return {}
        return {int(n): {int(s): w for s, w in entry.items()} for n, entry in content["elements"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"kernel table {path} is damaged ({error!r}): delete it, it is computed again") from error


def _computed(number: int, steps: list[int], microscope: Microscope) -> dict[int, list[float]]:
    atom = isolated_atom(number, microscope)
    frequencies = transferred_frequencies(microscope)
    envelope = fit_envelope(frequencies)
    design = np.exp(-2 * (pi * _sigmas(microscope) * frequencies[:, None]) ** 2) * envelope[:, None]
    k = design.shape[1]
    rows = np.vstack([design, _RIDGE * np.eye(k), np.full((1, k), 30.0)])
    found = {}
    for step in steps:
        transfer = atom.transfer(frequencies, step * _STEP * microscope.depth_of_focus)
        target = np.concatenate([transfer * envelope, np.zeros(k), [30.0]])
        weights = np.linalg.lstsq(rows, target, rcond=None)[0]
        found[step] = [round(float(w), 5) for w in weights / weights.sum()]
    return found
