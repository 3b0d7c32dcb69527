"""Fourier shell correlation of two volumes."""

import numpy as np
from numpy.typing import NDArray

from pann.core import InputError, Volume


def fourier_shell_correlation(a: Volume, b: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of `a` and `b` by spatial frequency, (frequency [1/Å], fsc), both (n_shells,).

    FSC(k) = Re Σ A B* / sqrt(Σ|A|² Σ|B|²) over the Fourier voxels of a shell (Harauz and van Heel, Optik 73, 1986).
    Shells are as thick as one Fourier voxel of the longest axis and end at the Nyquist frequency; the mean of the
    volumes is left out. A shell without signal in one of the volumes gives NaN. Both volumes must be on one grid.
    """
    if a.shape != b.shape or not np.isclose(a.voxel_size, b.voxel_size, rtol=1e-4):
        raise InputError(
            f"{a.name} {a.shape} of {a.voxel_size:g} Å and {b.name} {b.shape} of {b.voxel_size:g} Å: "
            "the Fourier shell correlation needs both volumes on one grid"
        )
    frequencies = [np.fft.fftfreq(n, a.voxel_size) for n in a.shape[:2]] + [np.fft.rfftfreq(a.shape[2], a.voxel_size)]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*frequencies, indexing="ij", sparse=True)))
    thickness = 1 / (max(a.shape) * a.voxel_size)
    shell = np.rint(radius / thickness).astype(np.int64)
    n_shells = max(a.shape) // 2
    # rfftn keeps half of the spectrum: the other half are the conjugates of all but the planes at zero and at Nyquist
    weight = np.full(radius.shape, 2.0)
    weight[..., 0] = 1.0
    if a.shape[2] % 2 == 0:
        weight[..., -1] = 1.0
    spectra = [np.fft.rfftn(volume.values.astype(np.float64)) for volume in (a, b)]

    def shell_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(shell.ravel(), (weight * values).ravel(), minlength=n_shells + 1)
        return sums[1 : n_shells + 1].astype(np.float64)

    cross = shell_sum((spectra[0] * spectra[1].conj()).real)
    power = np.sqrt(shell_sum(np.abs(spectra[0]) ** 2) * shell_sum(np.abs(spectra[1]) ** 2))
    fsc = np.divide(cross, power, out=np.full(n_shells, np.nan, np.float64), where=power > 0)
    return np.arange(1, n_shells + 1, dtype=np.float64) * thickness, fsc


def resolution(frequency: NDArray[np.float64], fsc: NDArray[np.float64], threshold: float = 0.5) -> float:
    """Resolution [Å] where `fsc` first falls below `threshold`, interpolated; NaN where it never does.

    0.5 is usual against a known truth, 0.143 between two halves of the data.
    """
    below = np.flatnonzero(fsc < threshold)
    if not len(below):
        return float("nan")
    k = int(below[0])
    if k == 0:
        return float(1 / frequency[0])
    fraction = (fsc[k - 1] - threshold) / (fsc[k - 1] - fsc[k])
    return float(1 / (frequency[k - 1] + fraction * (frequency[k] - frequency[k - 1])))
