"""The page holds what a run produced, needs no network, and survives whatever is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pann.core import AtomicModel, InputError, TiltSeries, Volume
from pann.core.random import generator
from pann.report import model_picture, render_spheres, write_report
from pann.report.figures import (
    intensities_figure,
    nearest_neighbour_distances,
    position_error_pm,
    r_factor_figure,
    sigma_figure,
)
from pann.report.panels import chosen_tilts, slices_figure, tilts_figure
from pann.report.theme import element_colour

SECTIONS = ("model", "slices", "images", "agreement", "structure", "uncertainty", "run")
RANDOM = generator(0, "report")


def model(numbers: list[int]) -> AtomicModel:
    n = len(numbers)
    return AtomicModel(
        RANDOM.uniform(-5, 5, (n, 3)),
        numbers,
        probabilities=np.full(n, 0.9),
        covariance=np.repeat(np.eye(3)[None] * 0.01, n, axis=0),
        intensities=np.arange(n) + 1.0,
    )


def series(kind: str = "counts", name: str = "series") -> TiltSeries:
    return TiltSeries(RANDOM.poisson(3.0, (5, 16, 18)), np.linspace(-60, 60, 5), 0.8, kind=kind, dose=100, name=name)


VOLUME = Volume(RANDOM.uniform(size=(16, 18, 17)), 0.8)
SUMMARY = {
    "fit": {"r_factor_before": 0.3, "r_factor_after": 0.12, "bound_pm": 14.2},
    "steps": {"reconstruct": {"seconds": 71.0, "peak_mb": 900.0}, "trace": 0.5},
    "config": {"reconstruction": {"iterations": 30, "mask": None}},
    "warnings": ["bond of 1.2 Å"],
}


class Checker(HTMLParser):
    """Collects what a browser would load, and checks that tags are balanced."""

    void = ("meta", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.missing_alt = 0
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "img" and not values.get("alt"):
            self.missing_alt += 1
        if tag in ("script", "img", "link", "iframe", "source"):
            self.loads += [value for key in ("src", "href") if (value := values.get(key))]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(path: Path) -> str:
    page = path.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(re.sub(r"<script>.{1000000,}?</script>", "<script></script>", page, flags=re.DOTALL))
    assert not checker.open
    assert all(url.startswith("data:") for url in checker.loads)
    assert set(SECTIONS) <= set(checker.ids)
    assert checker.missing_alt == 0
    assert path.stat().st_size < 8e6
    assert "url(http" not in page.split("<script>")[0]
    return page


def test_a_full_report(tmp_path: Path) -> None:
    images = series()
    path = write_report(
        tmp_path / "new" / "report.html",
        title="PtNi",
        model=model([28, 78, 78, 28, 78]),
        series=images,
        volume=VOLUME,
        refined=VOLUME,
        predicted=np.full(images.images.shape, 3.0),
        r_factor_per_tilt_before=np.full(5, 0.4),
        summary=SUMMARY,
        truth_scores={"recovery": 0.95, "rmsd_pm": 18.0, "n_pred": 5},
    )
    page = check(path)
    for text in ("2 Ni, 3 Pt", "12.0 %", "14.2 pm", "1 min 12 s", "bond of 1.2 Å", "reconstruction.iterations", "500"):
        assert text in page
    assert "after the fit" in page


@pytest.mark.parametrize(("numbers", "kind"), [([], "counts"), ([0], "intensity"), ([79] * 4, "counts")])
def test_parts_may_be_missing(tmp_path: Path, numbers: list[int], kind: str) -> None:
    bare = AtomicModel(RANDOM.uniform(-5, 5, (len(numbers), 3)), numbers)
    page = check(write_report(tmp_path / "r.html", title="t", model=bare, series=series(kind)))
    assert "No error bars" in page
    assert "Warnings" not in page


def test_zero_atoms_with_everything_else(tmp_path: Path) -> None:
    images = series("intensity")
    page = check(
        write_report(
            tmp_path / "r.html",
            title="t",
            model=model([]),
            series=images,
            volume=VOLUME.replace(values=np.zeros((8, 8, 8))),
            predicted=np.zeros(images.images.shape),
            summary=SUMMARY,
        )
    )
    assert "The model holds no atoms." in page


def test_atoms_without_an_error_bar_are_left_out(tmp_path: Path) -> None:
    covariance = np.repeat(np.eye(3)[None] * 0.01, 3, axis=0)
    covariance[1] = np.nan
    atoms = model([28, 78, 78]).replace(covariance=covariance)
    page = check(write_report(tmp_path / "r.html", title="t", model=atoms, series=series()))
    assert "17.3 pm" in page


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "</title><script>alert('x')</script>"
    path = write_report(
        tmp_path / "r.html",
        title=evil,
        model=model([29, 29]).replace(name=evil),
        series=series(name=evil),
        summary={"warnings": [evil], "config": {evil: evil}, "steps": {evil: 1.0}},
        truth_scores={evil: evil},
    )
    page = check(path)
    assert evil not in page
    assert "alert('x')" not in page
    assert page.count("&lt;script&gt;alert(") >= 6


def test_an_unwritable_path_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_report(tmp_path / "folder.html", title="t", model=model([]), series=series())


def test_charts_carry_units() -> None:
    figures = [r_factor_figure(series(), np.ones(5)), intensities_figure(model([6])), sigma_figure(model([6]), 5.0)]
    figures += [slices_figure({"raw": VOLUME}), tilts_figure(series())]
    for figure in figures:
        for ax in figure.axes:
            labels = [label for label in (ax.get_xlabel(), ax.get_ylabel()) if label and label != "atoms"]
            assert all(re.search(r"\[.+\]", label) for label in labels)
            assert labels


def test_neighbours_and_errors_are_what_they_say() -> None:
    atoms = AtomicModel([[0, 0, 0], [2, 0, 0], [5, 0, 0]], covariance=np.repeat(np.eye(3)[None] * 0.01, 3, axis=0))
    np.testing.assert_allclose(nearest_neighbour_distances(atoms.positions), [2, 2, 3])
    np.testing.assert_allclose(position_error_pm(atoms), 10 * np.sqrt(3))


def test_tilts_are_spread_over_the_range() -> None:
    angles = [60, -60, 0, 30, -30, 10, -10]
    spread = TiltSeries(RANDOM.uniform(size=(7, 4, 4)), angles, 1.0)
    assert [angles[k] for k in chosen_tilts(spread)] == [-30, 0, 30]


def test_near_spheres_hide_far_ones() -> None:
    atoms = AtomicModel([[0, 0, -3], [0, 0, 3.0]], [29, 79])
    picture = render_spheres(atoms, pixels=64, angles=(0, 0, 0))
    gold, copper = (np.array([int(element_colour(z)[i : i + 2], 16) for i in (1, 3, 5)]) for z in (79, 29))
    middle = picture[32, 32, :3] / picture[32, 32, :3].max()
    assert np.abs(middle - gold / gold.max()).sum() < np.abs(middle - copper / copper.max()).sum()
    assert picture[0, 0, 3] == 0
    assert not render_spheres(AtomicModel([]), pixels=8).any()


def test_the_picture_is_written(tmp_path: Path) -> None:
    path = model_picture(tmp_path / "model.png", model([28, 78]), series=series(), volume=VOLUME, refined=VOLUME)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert model_picture(tmp_path / "empty.png", model([])).stat().st_size > 0
