"""The height that parts atoms from noise peaks, read from the histogram of peak heights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, peak_prominences

_NEGLIGIBLE = 1e-3
"""Peaks below this share of the strong ones are never atoms: the scattering of C and U differs by a factor of 60."""
_MIN_NOISE_PEAKS = 20
"""Fewer noise peaks than this tell nothing about their heights."""
_OUTSIDE_QUANTILE = 0.95
_CROWDED_QUANTILE = 0.5
_BIN = 0.02
_RESOLUTION = 0.12
"""Smallest kernel width in ln(height): heights of one species vary by more than 12 %."""
_MODE_DEPTH = 0.1
_MODE_SIGMAS = 1.5
"""A mode rises above its surroundings by this share of its height, and by this many standard deviations of a count.
Lenient, for a mode too many lets some noise pass where a mode too few loses a species."""
_SHOULDER_REACH = 5.0
"""Beyond this multiple of the noise level an empty stretch is a valley: no shoulder of the noise reaches so far."""
_EXCESS_SIGMAS = 3.0
"""Count above the expected one, in standard deviations, that noise does not explain."""


@dataclass(frozen=True)
class PeakHeights:
    """Heights of the peaks of one volume, as the threshold sees them; all positive.

    Attributes
    ----------
    candidates : (n,) where atoms may be, no two peaks closer than the minimum distance.
    outside : (m,) outside the object; empty where the object has no outside.
    crowded : (k,) maxima nearer to a stronger one than the minimum distance: inside the object, and surely not atoms.
    """

    candidates: NDArray[np.float64]
    outside: NDArray[np.float64]
    crowded: NDArray[np.float64]


def automatic_threshold(peaks: PeakHeights, least_share: float = _NEGLIGIBLE) -> float:
    """Height between noise and atoms.

    The noise level is the 95 % point of the peaks outside the object, or the median of the crowded maxima where that is
    higher (positivity makes noise larger inside the object than outside). The threshold is the lowest point of the
    density of ln(height) between the noise level and the first mode above it: the valley method (Prewitt & Mendelsohn,
    Ann. N. Y. Acad. Sci. 128 (1966) 1035) with a Gaussian kernel. The logarithm turns noise and each species into
    modes of comparable width, so that a light species is not lost beside a heavy one; and since only the valley next
    to the noise counts, any number of species may follow. Where the light atoms are a mere shoulder of the noise, the
    lowest point lies above them; peaks between it and the highest noise peak give them away, and the noise
    level itself is the threshold.

    Parameters
    ----------
    peaks : heights of the maxima.
    least_share : peaks below this share of the strong ones (99 % point) are never atoms, whatever the histogram says;
        for known elements a share of the ratio of their scattering powers.

    Returns
    -------
    Threshold in the unit of the heights; peaks at or above it are atoms. Infinity when there are no candidates.
    """
    if len(peaks.candidates) == 0:
        return float("inf")
    floor = max(_NEGLIGIBLE, least_share) * float(np.quantile(peaks.candidates, 0.99))
    noise = floor
    for heights, quantile in ((peaks.outside, _OUTSIDE_QUANTILE), (peaks.crowded, _CROWDED_QUANTILE)):
        if len(heights) >= _MIN_NOISE_PEAKS:
            noise = max(noise, float(np.quantile(heights, quantile)))
    if noise == floor:
        return floor
    grid, counts = _histogram(np.log(peaks.candidates[peaks.candidates >= floor]))
    modes = _modes(counts)
    above = modes[grid[modes] > np.log(noise)]
    if len(above) == 0:
        return max(noise, floor, float(peaks.outside.max(initial=0)))
    start = min(int(np.searchsorted(grid, np.log(noise))), above[0])
    valley = max(noise, float(np.exp(_valley(grid, counts, start, above[0]))))
    return noise if _hides_atoms(peaks, noise, valley) else valley


def _hides_atoms(peaks: PeakHeights, noise: float, valley: float) -> bool:
    """Whether more candidates lie between the highest noise peak and the valley than noise would put there."""
    if len(peaks.outside) < _MIN_NOISE_PEAKS or valley > _SHOULDER_REACH * noise:
        return False
    highest = peaks.outside.max()
    expected = (peaks.candidates < noise).sum() / len(peaks.outside)
    found = ((peaks.candidates > highest) & (peaks.candidates < valley)).sum()
    return bool(found > expected + _EXCESS_SIGMAS * np.sqrt(expected + 1))


def _histogram(logs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Grid of ln(height), and the number of peaks within about one kernel width of each of its points."""
    quartiles = np.quantile(logs, [0.25, 0.75])
    width = max(_RESOLUTION, 0.5 * float(np.diff(quartiles)[0]) / 1.349 * len(logs) ** -0.2)
    low, high = logs.min() - 4 * width, logs.max() + 4 * width
    histogram, edges = np.histogram(logs, bins=int(np.ceil((high - low) / _BIN)), range=(low, high))
    kernel_area = 2 * np.sqrt(np.pi) * width / (edges[1] - edges[0])
    counts = gaussian_filter1d(histogram.astype(float), width / (edges[1] - edges[0]), mode="constant") * kernel_area
    return (edges[1:] + edges[:-1]) / 2, counts


def _modes(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Grid indices of the modes that are deeper than chance, in ascending order."""
    tops = find_peaks(counts)[0]
    prominence = peak_prominences(counts, tops)[0]
    height = counts[tops]
    return tops[(prominence >= _MODE_DEPTH * height) & (prominence >= _MODE_SIGMAS * np.sqrt(height))]


def _valley(grid: NDArray[np.float64], counts: NDArray[np.float64], start: int, stop: int) -> float:
    """ln(height) of the lowest count between two grid indices; the middle of the lowest stretch when there are many."""
    between = counts[start : stop + 1]
    lowest = np.flatnonzero(between <= between.min() + 1e-9 * counts.max())
    return float(grid[start + lowest[len(lowest) // 2]])
