"""Alignment brings a shifted series back onto its axis."""

import numpy as np
import pytest
import torch

from pann.core import ConfigError, InputError, TiltSeries
from pann.core.random import generator
from pann.tomography import align, make_projector

TILTS = np.arange(-60, 61, 6.0)


def particle() -> np.ndarray:
    """A lopsided cloud whose centre of mass is the origin."""
    grid = np.stack(np.meshgrid(*[np.arange(40) - 20] * 3, indexing="ij"), axis=-1)
    centres = np.array([[4, 3, 2], [-5, 2, -3], [1, -5, 1]])
    return sum(np.exp(-0.5 * ((grid - c) ** 2).sum(-1) / 6) for c in centres)


def shifted(kind: str = "intensity") -> tuple[TiltSeries, np.ndarray]:
    images = make_projector(TILTS, (40, 40, 40), (48, 44), pixel_size=1.0).forward(torch.tensor(particle())).numpy()
    shifts = generator(8, "shifts").integers(-4, 5, (len(TILTS), 2))
    moved = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(images, shifts, strict=True)])
    return TiltSeries(np.rint(moved * 50) if kind == "counts" else moved, TILTS, 1.0, kind=kind), shifts


@pytest.mark.parametrize(
    ("method", "tolerance"), [("centre_of_mass", 0.1), ("common_line", 0.1), ("cross_correlation", 1.0)]
)
def test_shifts_are_undone(method: str, tolerance: float) -> None:
    series, shifts = shifted()
    result = align(series, method)
    np.testing.assert_allclose(result.shifts, -shifts, atol=tolerance)


def test_counts_stay_counts() -> None:
    series, shifts = shifted("counts")
    result = align(series, "centre_of_mass")
    np.testing.assert_array_equal(result.shifts, -shifts)
    np.testing.assert_array_equal(result.series.images, np.rint(result.series.images))


def test_refusals() -> None:
    series, _ = shifted()
    with pytest.raises(InputError, match="max_shift=1"):
        align(series, "centre_of_mass", max_shift=1)
    with pytest.raises(ConfigError, match=r"alignment\.method"):
        align(series, "by_hand")
