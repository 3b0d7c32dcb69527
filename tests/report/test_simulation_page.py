"""The picture page shows what was handed in, and needs nothing but itself."""

import re

import numpy as np
import pytest

from pann.core import AtomicModel, TiltSeries
from pann.core.random import generator
from pann.report import simulation_page
from pann.report.side_by_side import side_by_side_figure
from tests.report.test_report import Checker

MODEL = AtomicModel([[0, 0, 0], [3, 0, 0], [0, 4, 0]], [78, 28, 28], name="three <atoms>")
SCRIPT = re.compile(r"<script>.{1000000,}?</script>", re.DOTALL)


def series(dose: float, kind: str = "counts") -> TiltSeries:
    images = generator(0, "page").poisson(dose / 10, (5, 12, 14)) + np.eye(12, 14)
    return TiltSeries(images, np.linspace(-60, 60, 5), 0.8, kind=kind, dose=dose)


DOSES = {"50 e/Å²": series(50), "500 e/Å²": series(500), "5000 e/Å²": series(5000)}
NOISES = {"clean": series(500), "harsh": series(500, "intensity")}
DRAWN = {
    "clean": {"shift": np.zeros((5, 2)), "saturation": 0.0, "magnification": np.ones(5), "moved_atoms": np.arange(0)},
    "harsh": {
        "shift": np.array([[-0.3, 0.4]]),
        "saturation": 6.841,
        "magnification": np.array([0.9981, 1.0022]),
        "moved_atoms": np.arange(7),
        "note": "<b>bad</b>",
    },
}


def test_the_page_holds_particle_images_and_values() -> None:
    page = SCRIPT.sub("<script></script>", simulation_page(MODEL, DOSES, NOISES, DRAWN))
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert all(url.startswith("data:") for url in checker.loads)
    assert {"model", "doses", "noise", "drawn", "scene"} <= set(checker.ids)
    assert checker.missing_alt == 0
    assert page.count("data:image/webp") == 2
    for text in ("three &lt;atoms&gt;", "2 Ni, 1 Pt", "-60° to 60°", "0.80 Å", "&lt;b&gt;bad&lt;/b&gt;"):
        assert text in page
    assert "<b>bad" not in page
    rows = dict(re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', page))
    assert rows["Shift [Å]"] == "<td>0</td><td>-0.3 to 0.4, rms 0.354</td>"
    assert rows["Saturation"] == "<td>0</td><td>6.84</td>"
    assert rows["Magnification"] == "<td>1</td><td>0.9981 to 1.0022, rms 1.0002</td>"
    assert rows["Moved atoms"] == "<td>0 values</td><td>7 values</td>"
    assert rows["Note"].startswith("<td>-</td>")


def test_parts_may_be_missing() -> None:
    page = simulation_page(AtomicModel([]), {}, {}, {})
    assert page.count("No series was handed in.") == 2
    assert "Nothing was drawn." in page


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c", "d"]])
def test_views_are_the_same_for_every_series(labels: list[str]) -> None:
    figure = side_by_side_figure({label: series(100.0 * (k + 1)) for k, label in enumerate(labels)})
    assert len(figure.axes) == 3 * len(labels)
    for k, label in enumerate(labels):
        titles = [ax.get_title() for ax in figure.axes[k :: len(labels)]]
        assert titles[0].startswith(f"{label}\n")
        assert all("e/pixel" in title for title in titles)
    shown = figure.axes[0].images[0].get_array()
    assert shown is not None
    assert shown.shape == (14, 12)
