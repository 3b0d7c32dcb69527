"""Pictures of a validation for the experiment log."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pann.report.theme import ACCENT, CONTRAST, finish, new_figure
from pann.training.callbacks.curves import KINDS, VARIABLES


def slices_figure(pictures: Mapping[str, Mapping[str, NDArray[np.float32]]]) -> Figure:
    """Slices (nx, nz) of samples, a row each: input, refined and target on the colour scale of the target.

    The input is multiplied by the factor that brings it nearest to the target, since its atoms are higher and wider.
    """
    figure, axes = new_figure(len(pictures), 3, size=(7.5, 2.5 * len(pictures)))
    for row, (name, planes) in zip(axes, pictures.items(), strict=True):
        target = planes["target"]
        factor = float((planes["input"] * target).sum() / max((planes["input"] ** 2).sum(), 1e-12))
        shown = {
            f"input × {factor:.2g}": factor * planes["input"],
            "refined": planes["refined"],
            "target": target,
        }
        for ax, (title, plane) in zip(row, shown.items(), strict=True):
            ax.imshow(plane.T, origin="lower", cmap="inferno", vmin=0, vmax=float(target.max()) or 1.0)
            ax.set_title(title)
            ax.set_xticks([])
            ax.set_yticks([])
        row[0].set_ylabel(f"{name}\nz (beam) ↑, x →", fontsize=7)
    return figure


def curves_figure(rows: Sequence[Mapping[str, Any]], score: str) -> Figure:
    """`score` of input and refined volumes against each variable of the `rows` of `curves`."""
    figure, axes = new_figure(1, len(VARIABLES), size=(4.0 * len(VARIABLES), 3.0))
    for ax, (name, label) in zip(axes[0], VARIABLES.items(), strict=True):
        for kind, colour in zip(KINDS, (CONTRAST, ACCENT), strict=True):
            points = [(row["mean"], row[f"{kind}/{score}"]) for row in rows if row["variable"] == name]
            x, y = zip(*points, strict=True) if points else ((), ())
            ax.plot(x, y, "o-", color=colour, label=kind)
        if name == "dose":
            ax.set_xscale("log")
        ax.set_ylim(0, 1.02)
        finish(ax, label, score, legend=name == "dose")
    return figure
