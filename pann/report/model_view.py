"""The atoms as a 3D scene that turns in the browser."""

import numpy as np
import plotly.graph_objects as go
from ase.data import covalent_radii

from pann.core.atomic_model import AtomicModel
from pann.report.figures import position_error_pm
from pann.report.theme import element_colour, element_name, elements_present

_PIXELS = 420.0
"""Width that the particle takes of the scene, roughly [pixels]."""


def model_view(model: AtomicModel) -> go.Figure:
    """Plotly scene of the atoms: coloured by element, sized by covalent radius, with all that is known on hover."""
    figure = go.Figure()
    place = "x %{x:.2f}, y %{y:.2f}, z %{z:.2f} Å"
    extent = float(np.ptp(model.positions, axis=0).max()) if len(model) > 1 else 10.0
    for number in elements_present(model.numbers):
        chosen = np.flatnonzero(model.numbers == number)
        x, y, z = model.positions[chosen].astype(np.float32).T
        name = element_name(number)
        columns, template = _hover(model, chosen)
        radius = float(covalent_radii[number]) if number else 1.2
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="markers",
            name=f"{name} ({len(chosen)})",
            customdata=columns,
            hovertemplate=f"<b>{name}</b>, atom %{{customdata[0]:.0f}}<br>{place}{template}<extra></extra>",
            marker={
                "size": float(np.clip(1.1 * radius * _PIXELS / max(extent, 10.0), 3, 18)),
                "color": element_colour(number),
                "line": {"width": 1, "color": "#39424e"},
            },
        )
    axis = {
        "backgroundcolor": "rgba(0,0,0,0)",
        "gridcolor": "rgba(128,138,150,0.25)",
        "zerolinecolor": "rgba(128,138,150,0.4)",
        "showspikes": False,
    }
    figure.update_layout(
        scene={f"{a}axis": {**axis, "title": {"text": f"{a} [Å]"}} for a in "xyz"}
        | {
            "aspectmode": "data",
            "camera": {"eye": {"x": 1.25, "y": -1.25, "z": 0.7}, "center": {"x": 0, "y": 0, "z": -0.08}},
        },
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        font={"color": "#808a96", "family": "system-ui, sans-serif", "size": 12},
        legend={"x": 0.01, "y": 0.99, "itemsizing": "constant", "bgcolor": "rgba(0,0,0,0)", "font": {"size": 14}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#9aa3af", "activecolor": "#2f7de1"},
        template="none",
    )
    return figure


def _hover(model: AtomicModel, chosen: np.ndarray) -> tuple[np.ndarray, str]:
    """Columns of hover data (n, k), float32, and the lines of the template that show them."""
    columns, lines = [chosen.astype(np.float32)], [""]
    errors = position_error_pm(model)
    for values, text in (
        (model.probabilities, "probability %{{customdata[{k}]:.3f}}"),
        (errors, "standard error in 3D %{{customdata[{k}]:.1f}} pm"),
        (model.intensities, "intensity %{{customdata[{k}]:.3g}}"),
    ):
        if values is not None:
            lines.append(text.format(k=len(columns)))
            columns.append(values[chosen].astype(np.float32))
    return np.stack(columns, axis=1), "<br>".join(lines)
