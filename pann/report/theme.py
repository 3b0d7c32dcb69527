"""Colours and lettering that figures and page share."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from ase.data.colors import jmol_colors
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

INK = "#7d8795"
"""Text and axes: readable on a light and on a dark page. The page replaces it by its own text colour in SVG."""
ACCENT = "#2f7de1"
CONTRAST = "#e0592a"
UNKNOWN_COLOUR = "#8a94a3"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
}


def element_colour(number: int) -> str:
    """Hex colour of an element: Jmol's, darkened where it would vanish on white."""
    if number <= 0:
        return UNKNOWN_COLOUR
    rgb = np.asarray(jmol_colors[number], float)
    luminance = float(rgb @ [0.2126, 0.7152, 0.0722])
    red, green, blue = rgb * min(1.0, 0.78 / luminance) if luminance > 0 else rgb
    return str(to_hex((float(red), float(green), float(blue))))


def element_name(number: int) -> str:
    """Symbol of an element, or that it is not known."""
    return str(chemical_symbols[number]) if number > 0 else "not classified"


def elements_present(numbers: Iterable[int]) -> list[int]:
    """The different atomic numbers, heaviest first, so that light atoms are drawn over heavy ones."""
    return sorted({int(number) for number in numbers}, reverse=True)


def new_figure(n_rows: int = 1, n_columns: int = 1, size: tuple[float, float] = (5.6, 3.2)) -> tuple[Figure, Any]:
    """A figure in the house style and its axes as an array (n_rows, n_columns); no window is opened."""
    with style.context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False)
        for ax in axes.flat:
            ax.tick_params(labelsize=9)
    return figure, axes


def finish(ax: Axes, xlabel: str, ylabel: str, legend: bool = False) -> None:
    """Label an axis and add its legend in the house style."""
    ax.set_xlabel(xlabel, color=INK)
    ax.set_ylabel(ylabel, color=INK)
    if legend:
        ax.legend(frameon=False, labelcolor=INK, fontsize=9)
