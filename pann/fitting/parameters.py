"""What a fit may change: the state of the model, and its free parameters as one vector."""

from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Self

import torch
from torch import Tensor

from pann.core import PointSpread
from pann.fitting.turns import turn_matrices

HALO_WEIGHT_LIMIT = 0.6
"""Largest share of the intensity that a fitted halo may take: beyond it the halo is the core."""
HALO_RATIO_LIMITS = (1.6, 8.0)
"""Range of the width of a fitted halo in units of the core's: below, the two cannot be told apart."""


@dataclass(frozen=True)
class State:
    """One set of values of everything that the image model depends on; float64 throughout.

    Attributes
    ----------
    positions : (n_atoms, 3) [Å].
    intensity : (n_groups,) integrated intensity of the atoms of each group [image units].
    background : (n_tilts,) [image units per pixel].
    scale : (n_tilts,) factor of the atoms' intensity in each image, mean 1.
    shifts : (n_tilts, 2) displacement of the atoms in each image [Å].
    sigma : width of the core of the PSF [Å].
    ratios, weights : width of every Gaussian of the PSF in units of the core's, and its share; the core comes first.
    turns : (n_tilts, 3, 3) rotation of the particle in front of each image, after the nominal one; None for none.
    """

    positions: Tensor
    intensity: Tensor
    background: Tensor
    scale: Tensor
    shifts: Tensor
    sigma: float
    ratios: tuple[float, ...] = (1.0,)
    weights: tuple[float, ...] = (1.0,)
    turns: Tensor | None = None

    def turned(self, rotations: Tensor) -> Tensor:
        """The nominal `rotations` (n_tilts, 3, 3) followed by the turns."""
        return rotations if self.turns is None else self.turns @ rotations

    @property
    def psf(self) -> PointSpread:
        """The point spread function."""
        return PointSpread(tuple(self.sigma * ratio for ratio in self.ratios), self.weights)

    def with_psf(self, psf: PointSpread) -> Self:
        """The same state with another PSF."""
        order = sorted(range(len(psf.sigmas)), key=lambda k: psf.sigmas[k])
        sigmas = [psf.sigmas[k] for k in order]
        ratios = tuple(sigma / sigmas[0] for sigma in sigmas)
        return replace(self, sigma=sigmas[0], ratios=ratios, weights=tuple(psf.weights[k] for k in order))


@dataclass(frozen=True)
class Layout:
    """Which parameters are free, and where each lies in the vector of free parameters.

    The order is positions, intensity, background, scale, shifts, turns, log sigma, halo weight, log halo ratio.

    Attributes
    ----------
    group : (n_atoms,) group of each atom; the atoms of a group share one intensity.
    n_tilts : number of images.
    background : "image" for one value per image, "shared" for one in all, "none" for zero.
    scale, shifts, turns : whether each image has a free scale, a free shift, a free rotation.
    width, halo_weight, halo_ratio : whether these are free; the halo's need a PSF of two Gaussians.
    """

    group: Tensor
    n_tilts: int
    background: str = "image"
    scale: bool = False
    shifts: bool = False
    width: bool = True
    halo_weight: bool = False
    halo_ratio: bool = False
    turns: bool = False
    n_groups: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_groups", int(self.group.max()) + 1)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.group)

    @property
    def per_atom(self) -> bool:
        """Whether every atom has an intensity of its own."""
        return self.n_groups == self.n_atoms and self.n_atoms > 1

    @property
    def sizes(self) -> dict[str, int]:
        """Number of free values of each kind, in the order of the vector."""
        backgrounds = {"image": self.n_tilts, "shared": 1, "none": 0}
        return {
            "positions": 3 * self.n_atoms,
            "intensity": self.n_groups,
            "background": backgrounds[self.background],
            "scale": self.n_tilts * self.scale,
            "shifts": 2 * self.n_tilts * self.shifts,
            "turns": 3 * self.n_tilts * self.turns,
            "width": int(self.width),
            "halo_weight": int(self.halo_weight),
            "halo_ratio": int(self.halo_ratio),
        }

    @property
    def n_parameters(self) -> int:
        """Length of the vector."""
        return sum(self.sizes.values())

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of `vector` by kind; positions, shifts and turns as rows."""
        parts = dict(zip(self.sizes, torch.split(vector, list(self.sizes.values())), strict=True))
        parts["positions"] = parts["positions"].reshape(-1, 3)
        parts["shifts"] = parts["shifts"].reshape(-1, 2)
        parts["turns"] = parts["turns"].reshape(-1, 3)
        return parts

    def join(self, parts: dict[str, Tensor]) -> Tensor:
        """The vector of `parts`, which need name only the kinds that are free."""
        return torch.cat([parts[kind].reshape(-1) for kind, size in self.sizes.items() if size])

    def background_of(self, values: Tensor) -> Tensor:
        """Background of each image (n_tilts,) from the free values."""
        if self.background == "none":
            return values.new_zeros(self.n_tilts)
        return values.expand(self.n_tilts)

    def background_sum(self, by_image: Tensor) -> Tensor:
        """Transpose of `background_of`."""
        if self.background == "none":
            return by_image[:0]
        return by_image.sum().reshape(1) if self.background == "shared" else by_image

    def move(self, state: State, step: Tensor) -> State:
        """The state after a `step` of the free parameters; the halo stays within its limits."""
        parts = self.split(step)
        weights, ratios = state.weights, state.ratios
        if self.halo_weight:
            halo = min(max(weights[1] + float(parts["halo_weight"]), 0.0), HALO_WEIGHT_LIMIT)
            weights = (1 - halo, halo)
        if self.halo_ratio:
            ratio = exp(log(ratios[1]) + float(parts["halo_ratio"]))
            ratios = (1.0, min(max(ratio, HALO_RATIO_LIMITS[0]), HALO_RATIO_LIMITS[1]))
        turns = state.turns
        if self.turns:
            turned = turn_matrices(parts["turns"])
            turns = turned if turns is None else turned @ turns
        return State(
            positions=state.positions + parts["positions"],
            intensity=state.intensity + parts["intensity"],
            background=state.background + self.background_of(parts["background"]),
            scale=state.scale + parts["scale"] if self.scale else state.scale,
            shifts=state.shifts + parts["shifts"] if self.shifts else state.shifts,
            sigma=state.sigma * exp(float(parts["width"])) if self.width else state.sigma,
            ratios=ratios,
            weights=weights,
            turns=turns,
        )
