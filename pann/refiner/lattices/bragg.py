"""What is periodic in a volume: the lattice, gathered from the whole particle, as a network on patches cannot see it.

At low dose a single atom hardly stands out of noise, while a Bragg reflection adds up all atoms of the
crystal. Filtering Fourier space by what rises above its surroundings (Bragg filtering, as in high-resolution images:
Hÿtch, Snoeck and Kilaas, Ultramicroscopy 74, 131 (1998)) therefore says where the lattice wants atoms. Several grains
or phases pass side by side, each where it is; of a glass hardly anything passes. `pann.refiner.lattices.filter` has
learnt to do better.
"""

from collections.abc import Callable

from torch import Tensor

from pann.refiner.lattices.spectrum import LEAST_POWER, OVERLAP, Spectrum, local_mean, overlapped, power, shell_medians

RISE = 2.5
"""Power, over the median of its shell, above which a component passes; soft: its excess over that does."""


def bragg_filtered(values: Tensor, voxel_size: float) -> Tensor:
    """The periodic part (nx, ny, nz) of float32 `values`, in their units; peaks where the lattice has atoms.

    It is zero on average; `voxel_size` is in Å.
    """
    spectrum = Spectrum.of(values, voxel_size)
    return spectrum.volume(excess(risen(spectrum), RISE))


def risen(spectrum: Spectrum, mean: Callable[[Tensor], Tensor] = local_mean) -> Tensor:
    """Power of every component and its neighbours, by their `mean`, over the median of its shell."""
    near = mean(overlapped(power(spectrum.values)))[..., OVERLAP:]
    return near / shell_medians(near, spectrum.radius)


def excess(ratio: Tensor, rise: float) -> Tensor:
    """Share of every component that passes: what its power, `ratio` over the usual, has above `rise`."""
    return (1 - rise / ratio.clamp(min=LEAST_POWER)).clamp(min=0)
