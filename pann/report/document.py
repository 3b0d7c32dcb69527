"""The frame of a page: style, heading, links to its sections, and the script of the 3D scene."""

from collections.abc import Mapping
from importlib.resources import files

from plotly.offline import get_plotlyjs

import pann
from pann.report.html import escape


def document(title: str, subtitle: str, contents: Mapping[str, str], body: str, scene: bool) -> str:
    """A page that needs no network and no second file.

    Parameters
    ----------
    title, subtitle : plain text.
    contents : anchor -> label of each section.
    body : HTML of the sections.
    scene : whether `body` holds a plotly scene, whose script is some megabytes.
    """
    style = files("pann.report").joinpath("report.css").read_text(encoding="utf-8")
    script = f"<script>{get_plotlyjs()}</script>" if scene else ""
    links = "".join(f'<a href="#{key}">{escape(label)}</a>' for key, label in contents.items())
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
{script}
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="subtitle">{escape(subtitle)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>{body}</main>
<footer>Written by PANN {escape(pann.__version__)}</footer>
</body>
</html>
"""
