"""Alignment of a tilt series to a common origin on the tilt axis."""

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pann.core.errors import ConfigError, InputError
from pann.core.tilt_series import TiltSeries
from pann.tomography.background import border_background

Array = NDArray[np.float64]
AlignmentMethod = Literal["centre_of_mass", "common_line", "cross_correlation"]
COMMON_LINE_PASSES = 10


@dataclass(frozen=True)
class Alignment:
    """An aligned series, and how far each image was moved.

    Attributes
    ----------
    series : the moved images; counts are moved by whole pixels, so that they stay counts.
    shifts : (n_tilts, 2) applied along (u, v) [pixels].
    """

    series: TiltSeries
    shifts: Array


def align(series: TiltSeries, method: AlignmentMethod, max_shift: float = 20.0) -> Alignment:
    """Move the images so that the object's centre lies on pixel n // 2 of each.

    Parameters
    ----------
    series : of an isolated object; a film wider than the field has no centre.
    method : "centre_of_mass": both directions from the centre of mass of the image above its background (Yang et al.,
        Nature 542, 75 (2017), methods). "common_line": along the tilt axis from the line profile, which is the same at
        every tilt; across it from the centre of mass. "cross_correlation": each image against its neighbour in tilt,
        outward from the smallest tilt, which is put on its centre of mass first.
    max_shift : a larger one is an error [pixels].

    Raises
    ------
    ConfigError : unknown method.
    InputError : a shift beyond `max_shift`, with the image's number.
    """
    if method not in get_args(AlignmentMethod):
        raise ConfigError(f"alignment.method is {method!r}: expected one of {', '.join(get_args(AlignmentMethod))}")
    background = border_background(series)[:, None, None]
    images = np.clip(series.images - background, 0, None).astype(np.float64)
    if method == "centre_of_mass":
        shifts = -_centres(images)
    elif method == "common_line":
        shifts = -_centres(images)
        shifts[:, 1] = _line_shifts(images.sum(1))
    else:
        shifts = _chained_shifts(images, series.angles[:, 1])
    if series.kind == "counts":
        shifts = np.rint(shifts)
    worst = int(np.abs(shifts).max(1).argmax())
    if np.abs(shifts[worst]).max() > max_shift:
        raise InputError(
            f"{series.name}: image {worst} would move by {tuple(np.round(shifts[worst], 1))} pixels, more than "
            f"alignment.max_shift={max_shift:g}: is the object isolated in every image?"
        )
    moved = np.stack([_moved(image, shift) for image, shift in zip(series.images, shifts, strict=True)])
    return Alignment(series.replace(images=moved), shifts)


def _moved(image: NDArray[np.float32], shift: Array) -> NDArray[np.float32]:
    order = 0 if np.all(shift == np.rint(shift)) else 3
    return ndimage.shift(image, shift, order=order, mode="nearest")


def _centres(images: Array) -> Array:
    """Centre of mass of each image relative to the pixel n // 2, (n, 2) [pixels]."""
    centre = np.array([n // 2 for n in images.shape[1:]])
    return np.array([ndimage.center_of_mass(image) for image in images]) - centre


def _line_shifts(profiles: Array) -> Array:
    """Shifts (n,) that bring the line profiles (n, nv) onto their mean, the mean onto the centre of mass."""
    normal = profiles / profiles.sum(1, keepdims=True)
    shifts = np.zeros(len(profiles))
    moved = normal
    for _ in range(COMMON_LINE_PASSES):
        reference = moved.mean(0)
        shifts += np.array([_peak_shift(reference, line) for line in moved])
        moved = np.stack(
            [ndimage.shift(line, s, order=3, mode="nearest") for line, s in zip(normal, shifts, strict=True)]
        )
    centre = ndimage.center_of_mass(np.clip(moved.mean(0), 0, None))[0] - profiles.shape[1] // 2
    return shifts - centre


def _chained_shifts(images: Array, theta: Array) -> Array:
    order = np.argsort(theta)
    start = int(np.abs(theta[order]).argmin())
    shifts = np.zeros((len(images), 2))
    shifts[order[start]] = -_centres(images[order[start]][None])[0]
    for chain in (order[start:], order[start::-1]):
        for before, current in itertools.pairwise(chain):
            shifts[current] = shifts[before] + _correlation_shift(images[before], images[current])
    return shifts


def _correlation_shift(reference: Array, image: Array) -> Array:
    """Shift (2,) [pixels] that brings `image` onto `reference`, from the peak of their cross-correlation."""
    correlation = np.fft.ifft2(np.fft.fft2(reference) * np.conj(np.fft.fft2(image))).real
    peak = np.array(np.unravel_index(correlation.argmax(), correlation.shape), dtype=int)
    shift = np.empty(2)
    for axis in range(2):
        line = np.take(correlation, peak[1 - axis], axis=1 - axis)
        shift[axis] = _vertex(line, peak[axis])
    size = np.array(correlation.shape)
    return (shift + size // 2) % size - size // 2


def _peak_shift(reference: Array, line: Array) -> float:
    correlation = np.fft.ifft(np.fft.fft(reference) * np.conj(np.fft.fft(line))).real
    n = len(line)
    return float((_vertex(correlation, int(correlation.argmax())) + n // 2) % n - n // 2)


def _vertex(line: Array, peak: int) -> float:
    """Sub-pixel maximum of the parabola through `peak` and its (periodic) neighbours."""
    left, middle, right = line[peak - 1], line[peak], line[(peak + 1) % len(line)]
    curvature = left - 2 * middle + right
    return peak + (0.5 * (left - right) / curvature if curvature < 0 else 0.0)
