"""What a fit may change: the state of the model, and its free parameters as one vector."""

from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Self

import torch
from torch import Tensor

from pann.core import PointSpread
from pann.fitting.surface import n_terms
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
    widths : (n_kinds,) logarithm of the width of the core of each kind of atom in units of `sigma`; None for 0.
    ratios, weights : width of every Gaussian of the PSF in units of the core's, and its share; the core comes first.
    turns : (n_tilts, 3, 3) rotation of the particle in front of each image, after the nominal one; None for none.
    factor : (n_atoms,) factor of each atom on the intensity of its group; None for 1.
    surface : (n_tilts, n_terms) coefficients of the smooth background (`pann.fitting.surface`) [image units]; None for
        a flat one.
    saturation : β [1/image units] of what the detector sees, L / (1 + β L), where the atoms alone give L.
    attenuation : α [1/Å] of the factor exp(−α z) of an atom at the height z along the beam.
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
    factor: Tensor | None = None
    surface: Tensor | None = None
    saturation: float = 0.0
    attenuation: float = 0.0
    widths: Tensor | None = None

    def core_widths(self, kind: Tensor | None) -> Tensor:
        """Width [Å] of the core of atoms of `kind` (n_atoms,), or of all where it is None: (n_atoms,) or ()."""
        sigma = torch.tensor(self.sigma, dtype=torch.float64, device=self.positions.device)
        return sigma if self.widths is None or kind is None else sigma * self.widths.exp()[kind]

    def atom_intensity(self, group: Tensor) -> Tensor:
        """Integrated intensity (n_atoms,) of atoms that belong to the `group` (n_atoms,)."""
        return self.intensity[group] if self.factor is None else self.intensity[group] * self.factor

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

    The order is positions, factor, intensity, background, surface, saturation, attenuation, scale, shifts, turns, log
    widths of kinds, log sigma, halo weight, log halo ratio.

    Attributes
    ----------
    group : (n_atoms,) group of each atom; the atoms of a group share one intensity.
    n_tilts : number of images.
    background : "image" for one value per image, "shared" for one in all, "none" for zero.
    scale, shifts, turns : whether each image has a free scale, a free shift, a free rotation.
    factors : whether each atom has a free factor on the intensity of its group; needs a prior.
    surface : order of a smooth background in each image, 0 for none.
    saturation, attenuation : whether β and α are free.
    kind : (n_atoms,) kind of each atom, whose atoms share a width; None for one kind.
    element_widths : whether the width of each kind is free; the mean of their logarithms is held, it is `width`.
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
    factors: bool = False
    surface: int = 0
    saturation: bool = False
    attenuation: bool = False
    kind: Tensor | None = None
    element_widths: bool = False
    n_groups: int = field(init=False)
    n_kinds: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_groups", int(self.group.max()) + 1)
        object.__setattr__(self, "n_kinds", 0 if self.kind is None else int(self.kind.max()) + 1)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.group)

    @property
    def per_atom(self) -> bool:
        """Whether every atom has an intensity of its own."""
        return self.n_groups == self.n_atoms and self.n_atoms > 1

    @property
    def block(self) -> int:
        """Parameters that belong to one atom: its position, and what it has of its own in intensity."""
        return 4 if self.per_atom or self.factors else 3

    @property
    def sizes(self) -> dict[str, int]:
        """Number of free values of each kind, in the order of the vector."""
        backgrounds = {"image": self.n_tilts, "shared": 1, "none": 0}
        return {
            "positions": 3 * self.n_atoms,
            "factor": self.n_atoms * self.factors,
            "intensity": self.n_groups,
            "background": backgrounds[self.background],
            "surface": self.n_tilts * n_terms(self.surface),
            "saturation": int(self.saturation),
            "attenuation": int(self.attenuation),
            "scale": self.n_tilts * self.scale,
            "shifts": 2 * self.n_tilts * self.shifts,
            "turns": 3 * self.n_tilts * self.turns,
            "element_width": self.n_kinds * self.element_widths,
            "width": int(self.width),
            "halo_weight": int(self.halo_weight),
            "halo_ratio": int(self.halo_ratio),
        }

    @property
    def n_parameters(self) -> int:
        """Length of the vector."""
        return sum(self.sizes.values())

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of `vector` by kind; positions, shifts, turns and surfaces as rows."""
        parts = dict(zip(self.sizes, torch.split(vector, list(self.sizes.values())), strict=True))
        parts["positions"] = parts["positions"].reshape(-1, 3)
        parts["shifts"] = parts["shifts"].reshape(-1, 2)
        parts["turns"] = parts["turns"].reshape(-1, 3)
        parts["surface"] = parts["surface"].reshape(self.n_tilts, -1)
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
        turns, factor, surface, widths = state.turns, state.factor, state.surface, state.widths
        if self.factors:
            factor = parts["factor"] + (1 if factor is None else factor)
        if self.surface:
            surface = parts["surface"] + (0 if surface is None else surface)
        if self.element_widths:
            widths = parts["element_width"] + (0 if widths is None else widths)
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
            factor=factor,
            surface=surface,
            saturation=max(state.saturation + float(parts["saturation"]), 0.0) if self.saturation else state.saturation,
            attenuation=state.attenuation + (float(parts["attenuation"]) if self.attenuation else 0.0),
            widths=widths,
        )
