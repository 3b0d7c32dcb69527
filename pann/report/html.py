"""Pieces of HTML: every string of the user passes through `escape` here."""

import base64
import re
from html import escape
from io import BytesIO, StringIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from pann.report.theme import INK

_DPI = 110
_QUALITY = 88


def raster_figure(figure: Figure, alt: str, caption: str) -> str:
    """A matplotlib figure as an embedded WebP, which keeps noisy images small; it scrolls on a phone."""
    buffer = BytesIO()
    figure.savefig(buffer, format="webp", dpi=_DPI, pil_kwargs={"quality": _QUALITY})
    data = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img src="data:image/webp;base64,{data}" alt="{escape(alt)}">'
    return f'<figure><div class="scroll">{image}</div><figcaption>{escape(caption)}</figcaption></figure>'


def svg_figure(figure: Figure, alt: str, caption: str, wide: bool = False) -> str:
    """A matplotlib figure as inline SVG whose ink follows the page's text; a `wide` one scrolls on a phone."""
    buffer = StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": alt}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :].replace(INK, "currentColor")
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r' (?:width|height)="[\d.]+pt"', "", drawing, count=2)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
    if wide:
        drawing = f'<div class="scroll">{drawing}</div>'
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def section(key: str, title: str, lead: str, body: str) -> str:
    """One card of the page; `key` is its anchor, a plain word."""
    text = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    heading = f'<h2 id="{key}-title">{escape(title)}</h2>'
    return f'<section id="{key}" aria-labelledby="{key}-title">{heading}{text}{body}</section>'


def empty(reason: str) -> str:
    """What stands where a part has nothing to show."""
    return f'<p class="empty">{escape(reason)}</p>'


def number(label: str, value: str, note: str = "") -> str:
    """One headline number."""
    small = f' <span class="note">{escape(note)}</span>' if note else ""
    return f'<div class="number"><dt>{escape(label)}</dt><dd>{escape(value)}{small}</dd></div>'


def table(caption: str, head: list[str], rows: list[list[str]]) -> str:
    """A table whose first column names the row."""
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    rows_html = f"<thead><tr>{header}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table>{title}{rows_html}</table></div>'


def flatten(values: dict[str, Any], prefix: str = "") -> list[list[str]]:
    """Nested options as rows [dotted name, value]."""
    rows: list[list[str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            rows.extend(flatten(value, f"{name}."))
        else:
            rows.append([name, "none" if value is None else str(value)])
    return rows
