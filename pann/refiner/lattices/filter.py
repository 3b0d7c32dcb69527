"""A network that tells the reflections of a crystal from noise, by what a lattice is like.

A lattice is sparse in three spaces: as reflections, as vectors between atoms (the Patterson map), and as atoms. A weak
component of Fourier space is a reflection if it repeats what strong ones say in the other two. As direct methods and
charge flipping do (Sayre, Acta Cryst. 5, 60 (1952); Oszlányi and Sütő, Acta Cryst. A 60, 134 (2004)), the network goes
back and forth between them; how much of a component passes in each round, it has learnt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from pann.refiner.acquisition import N_ACQUISITION
from pann.refiner.lattices.bragg import RISE, excess, risen
from pann.refiner.lattices.orientation import Lattice, spots
from pann.refiner.lattices.spectrum import OVERLAP, Spectrum, local_mean, overlapped, power, shell_medians

N_LOCAL = 6
"""Features of a component by itself: see `LatticeFilter._local`."""
N_LATTICES = 3
"""Features of a component by the lattices that were found: see `LatticeFilter._told`."""
USUAL_SCORE = 10.0
"""Of a lattice that is there."""
HIGHEST_SCORE = 25.0
"""Beyond it a lattice is certain, whatever the dose."""
N_DUAL = 8
"""Features of a component by what the others say of it: see `LatticeFilter._expected`."""
NEAREST = 1.8
"""No two atoms are nearer [Å], so that shorter vectors of the Patterson map say nothing."""
FIRST_BIAS = -1.0
"""Of the logit of a share."""
LEAST = 1e-3
"""Of the ratios whose logarithms are features."""


class LatticeFilter(nn.Module):
    """How much of every Fourier component of a volume is signal, and the volume that is left.

    Parameters
    ----------
    width : channels of the convolutions over Fourier space.
    rounds : times that the components are weighed; from the second on with what the last weights say of the others.
    """

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        inputs = [N_LOCAL + N_ACQUISITION + N_DUAL * (k > 0) for k in range(rounds)]
        self.rounds = nn.ModuleList(Round(n, width) for n in inputs)

    @property
    def trained(self) -> bool:
        """Whether its biases have moved from where they begin."""
        return any(float(step.head.bias) != FIRST_BIAS for step in self.rounds)  # type: ignore[union-attr, arg-type]

    def forward(self, spectrum: Spectrum, acquisition: Tensor, lattices: Sequence[Lattice]) -> Tensor:
        """The part of a volume that is signal, (nx, ny, nz) in its units.

        Parameters
        ----------
        spectrum : of the normalised density.
        acquisition : (N_ACQUISITION,), see `pann.refiner.acquisition`.
        lattices : that were found in it.
        """
        return spectrum.volume(self.share(spectrum, acquisition, lattices))

    def share(self, spectrum: Spectrum, acquisition: Tensor, lattices: Sequence[Lattice]) -> Tensor:
        """Share 0 ... 1 of every component that passes, shaped as the spectrum, in which `lattices` were found."""
        local, told = self._local(spectrum, acquisition), self._told(spectrum, lattices)
        share = self.rounds[0](local, told) * spectrum.inside
        for step in self.rounds[1:]:
            expected = self._expected(spectrum, share)
            share = step(torch.cat([local, expected]), told) * spectrum.inside
        return share

    @staticmethod
    def _local(spectrum: Spectrum, acquisition: Tensor) -> Tensor:
        """What each component shows by itself: power, that about it over that of its shell, place, acquisition."""
        at = power(spectrum.values)
        near = risen(spectrum)
        around = local_mean(local_mean(overlapped(at)))[..., OVERLAP:]
        around = around / shell_medians(around, spectrum.radius)
        features = [
            torch.log1p(at),
            near.clamp(min=LEAST).log(),
            around.clamp(min=LEAST).log(),
            excess(near, RISE),
            spectrum.radius,
            spectrum.steepness,
        ]
        known = [torch.ones_like(at) * number for number in acquisition]
        return overlapped(torch.stack([*(feature * spectrum.inside for feature in features), *known]))

    @staticmethod
    def _told(spectrum: Spectrum, lattices: Sequence[Lattice]) -> Tensor:
        """Where the reflections of the best lattice lie, and where those of all, by how sure they are."""
        marks = [spots(spectrum, lattice.nodes) for lattice in lattices]
        scores = [min(lattice.score, HIGHEST_SCORE) for lattice in lattices]
        sure = [mark * (score / USUAL_SCORE) for mark, score in zip(marks, scores, strict=True)]
        return overlapped(torch.stack([marks[0], sure[0], torch.stack(sure).amax(0)]))

    @staticmethod
    def _expected(spectrum: Spectrum, share: Tensor) -> Tensor:
        """What the components that pass say of each: by vectors between atoms, and by atoms."""
        values, inside = spectrum.values, spectrum.inside
        grid = (values.shape[0], values.shape[1], 2 * values.shape[2] - 1)
        features = [share]
        vectors = to_space(share * power(values) + 0j, grid) * _apart(spectrum, grid)
        vectors = vectors / deviation(vectors)
        for floor in (2.0, 5.0):
            said = to_spectrum(relu(vectors - floor)).real * inside
            features.append((said / root_mean_square(said, inside)).clamp(-5, 20))
        density = to_space(share * values, grid)
        density = density / deviation(density)
        for atoms in (relu(density) ** 2, relu(density - 2.5)):
            said = to_spectrum(atoms) * inside
            size = root_mean_square(said, inside)
            agreement = (values.conj() * said).real / size / (1 + power(values).sqrt())
            strength = local_mean(overlapped(power(said)))[..., OVERLAP:] / size**2
            features += [agreement, strength.clamp(min=LEAST).log() * inside]
        features.append(share * power(values).sqrt())
        return overlapped(torch.stack(features))


class Round(nn.Module):
    """Shares of components from their features (c, kx, ky, kz) and those of their neighbours."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv3d(inputs, width, kernel_size=1)
        self.told = nn.Conv3d(N_LATTICES, width, kernel_size=1, bias=False)
        nn.init.zeros_(self.told.weight)
        self.body = nn.ModuleList(nn.Conv3d(width, width, kernel_size=3, padding=1) for _ in range(2))
        self.head = nn.Conv3d(width, 1, kernel_size=1)
        nn.init.constant_(self.head.bias, FIRST_BIAS)  # type: ignore[arg-type]  # most components are noise

    def forward(self, features: Tensor, told: Tensor) -> Tensor:
        """(c, kx, ky, OVERLAP + kz) and (N_LATTICES, kx, ky, OVERLAP + kz) -> (kx, ky, kz)."""
        x = self.stem(features[None].contiguous(memory_format=torch.channels_last_3d)) + self.told(told[None])
        for conv in self.body:
            x = x + conv(silu(x))
        weight: Tensor = self.head(silu(x))[0, 0, ..., OVERLAP:]
        return torch.sigmoid(weight.float())


def to_space(components: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Real array of shape `grid` of (kx, ky, kz) `components`, laid out as those of a `Spectrum`."""
    shift = (-(components.shape[0] // 2), -(components.shape[1] // 2))
    return torch.fft.irfftn(components.roll(shift, (0, 1)), grid)


def to_spectrum(values: Tensor) -> Tensor:
    """The inverse of `to_space`."""
    return torch.fft.rfftn(values).roll((values.shape[0] // 2, values.shape[1] // 2), (0, 1))


def _apart(spectrum: Spectrum, grid: tuple[int, int, int]) -> Tensor:
    """Which points of a Patterson map of shape `grid` are `NEAREST` or more from its origin."""
    lengths = [n * spectrum.voxel_size for n in spectrum.shape]
    x, y, z = (
        torch.fft.fftfreq(n, device=spectrum.radius.device) * length for n, length in zip(grid, lengths, strict=True)
    )
    return torch.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2) > NEAREST


def deviation(values: Tensor) -> Tensor:
    """Standard deviation, never zero."""
    return values.std().clamp(min=1e-12)


def root_mean_square(components: Tensor, inside: Tensor) -> Tensor:
    """Of the `components` that are `inside`, never zero."""
    squares = power(components) if components.is_complex() else components**2
    return (squares.sum() / inside.sum().clamp(min=1)).sqrt().clamp(min=1e-12)
