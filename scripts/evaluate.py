"""Score an atomic model against the truth: recovery, precision, RMSD, elements.

python scripts/evaluate.py model=out/x/model.xyz truth=truth.xyz radius=1.0
"""

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING

from pann.core import AtomicModel, ConfigError
from pann.core.files import atomic_path
from pann.io import read_atoms
from pann.metrics import score, transform_axes
from pann.training.words import run_words

HELP = {
    "model": "file of the atoms to score (any that pann.io reads)",
    "truth": "file of the true atoms",
    "radius": "matching radius [Å]",
    "species": "score the elements too; null does so where both files name any",
    "register": "shift the model rigidly onto the truth first",
    "centre": "start that shift centroid on centroid; false for a model that extends beyond the truth",
    "axes": "axes of the truth named by those of the model, [y,x,-z]: x of the truth is y of the model",
    "flip": "axes to reverse after that, z or [x,z]",
    "types": "elements of the type numbers in the files, [Ni,Pt] for 1 = Ni, 2 = Pt",
    "pixel_size": "[Å], where the model file holds positions in pixels",
    "inside": "count only atoms in the box [[x0,y0,z0],[x1,y1,z1]] [Å] of the truth's frame",
    "margin": "[Å] by which that box (or, without it, the bounding box of the truth) is shrunk",
    "output": "JSON file to write the scores to",
}


@dataclass
class Options:
    """The keys of the command line; `HELP` says what each means."""

    model: str = MISSING
    truth: str = MISSING
    radius: float = 1.0
    species: bool | None = None
    register: bool = True
    centre: bool = True
    axes: list[str] = field(default_factory=lambda: ["x", "y", "z"])
    flip: Any = field(default_factory=list)
    types: Any = None
    pixel_size: float | None = None
    inside: Any = None
    margin: float | None = None
    output: str | None = None


def evaluate(options: Options) -> dict[str, Any]:
    """The scores that `options` ask for; see `pann.metrics.score`."""
    model = read_atoms(options.model, types=options.types, pixel_size=options.pixel_size)
    truth = read_atoms(options.truth, types=options.types)
    reversed_axes = [options.flip] if isinstance(options.flip, str) else list(options.flip)
    if not set(reversed_axes) <= set("xyz"):
        raise ConfigError(f"flip is {options.flip}: expected axes such as z or [x,z]")
    model = transform_axes(model, options.axes)
    model = transform_axes(model, [f"-{axis}" if axis in reversed_axes else axis for axis in "xyz"])
    return score(
        model,
        truth,
        options.radius,
        options.register,
        centre=options.centre,
        species=options.species,
        inside=counted_box(truth, options.inside, options.margin),
    )


def counted_box(truth: AtomicModel, inside: Any, margin: float | None) -> np.ndarray | None:
    """The (2, 3) corners [Å] of the box in which atoms are counted, None for everywhere."""
    if inside is None and margin is None:
        return None
    try:
        corners = np.array(inside if inside is not None else [truth.positions.min(0), truth.positions.max(0)], float)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"inside={inside} cannot be read: expected {HELP['inside']}") from error
    if corners.shape != (2, 3):
        raise ConfigError(f"inside={inside} has another shape: expected {HELP['inside']}")
    return corners + (margin or 0.0) * np.array([[1.0], [-1.0]])


def table(scores: dict[str, Any]) -> str:
    """The scores as aligned lines with their units."""
    lines = [
        ("atoms found", f"{scores['n_pred']}"),
        ("true atoms", f"{scores['n_gt']}"),
        ("matched", f"{scores['matched']}  within {scores['radius']:g} Å"),
        ("recovery", f"{scores['recovery']:.2%}"),
        ("precision", f"{scores['precision']:.2%}"),
        ("RMSD", f"{scores['rmsd_pm']:.2f} pm"),
        ("RMSD x, y, z", ", ".join(f"{value:.2f}" for value in scores["rmsd_axes_pm"]) + " pm"),
        ("shift x, y, z", ", ".join(f"{value:.3f}" for value in scores["shift"]) + " Å"),
    ]
    if "confusion" in scores:
        lines.append(("elements right", f"{scores['species_acc']:.2%} of the matched"))
        lines.append(("correct", f"{scores['correct_frac']:.2%} of the true atoms: found with the right element"))
        for true, row in scores["confusion"].items():
            lines.append((f"true {true}", ", ".join(f"{count} {found}" for found, count in row.items())))
    return "\n".join(f"{label:<16}{value}" for label, value in lines)


def as_json(value: Any) -> Any:
    """`value` with NaN, which JSON does not know, as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {key: as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def report(options: Options) -> str:
    """The table and, as the last line, the scores as JSON, which also go to `options.output`."""
    if options.output is not None and Path(options.output).is_dir():
        raise ConfigError(f"output={options.output} is a folder: name a file in it")
    scores = evaluate(options)
    line = json.dumps(as_json(scores))
    if options.output is not None:
        with atomic_path(Path(options.output)) as temporary:
            temporary.write_text(line + "\n")
    return f"{table(scores)}\n{line}"


def main(arguments: list[str]) -> int:
    """Print the scores; returns the exit status."""
    return run_words(report, Options, arguments, HELP, str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
