"""What training minimises on a patch."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, max_pool3d

from pann.refiner.fourier import MeasuredFourier
from pann.refiner.target import DENSITY, PRESENCE

MASS_BLOCK = 8
"""Edge [voxels] of the blocks whose mass is compared: about one atom and its surroundings."""
NEIGHBOURHOOD = 5
"""Edge [voxels] of the cube whose largest target value is the height of the atom at hand."""
BOND = 7
"""Edge [voxels] of the cube in which only the highest maximum is an atom: ±1.2 Å of 0.4 Å voxels."""
ATOM = 5
"""Edge [voxels] of the cube about a maximum that its mass may fill: ±2 standard deviations."""
LOWEST_ATOM = 0.15
"""Lower maxima, in heights of a mean atom, are no atoms."""


class RefinerLoss(nn.Module):
    """Weighted sum of the losses on density and presence. A term of weight 0 is not computed.

    Squared errors of the density are divided by the height of the atom at hand plus `floor`, as the variance of counts
    grows with the intensity: without that a heavy element drowns a light one beside it.

    Parameters
    ----------
    density : weight of the squared error.
    atom_weight : the squared error at the peak of an atom counts 1 + `atom_weight` times that of its surroundings.
    floor : height, relative to a mean atom, below which atoms count as vacuum does.
    mass : weight of the squared error of block means, which ties the integrated intensity, hence the chemistry.
    fourier : weight of the agreement with the input where Fourier space was measured, see `MeasuredFourier`.
    presence : weight of the mean squared error of the presence. No place counts more than another, so that the
        network answers with the mean, which follows the probability of an atom.
    atomicity : weight of the share of the mass that lies outside atoms or in atoms closer than a bond, see `atomicity`.
    """

    def __init__(
        self,
        density: float,
        atom_weight: float,
        floor: float,
        mass: float,
        presence: float = 0.0,
        fourier: float = 0.0,
        atomicity: float = 0.0,
    ) -> None:
        super().__init__()
        self.weights = {
            "density": density,
            "mass": mass,
            "presence": presence,
            "fourier": fourier,
            "atomicity": atomicity,
        }
        self.atom_weight = atom_weight
        self.floor = floor
        self.measured = MeasuredFourier()

    def forward(self, prediction: Tensor, target: Tensor, patch: Tensor, tilt_limit: Tensor) -> dict[str, Tensor]:
        """Terms by name, unweighted.

        Parameters
        ----------
        prediction, target : (b, 2, px, py, pz) density and presence, see `pann.refiner.target`.
        patch : (b, 1, px, py, pz) what was reconstructed.
        tilt_limit : (b,) largest tilt [deg].
        """
        presence = (prediction[:, PRESENCE] - target[:, PRESENCE]).square().mean()
        prediction, target = prediction[:, DENSITY, None], target[:, DENSITY, None]
        height = max_pool3d(target, NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2) + self.floor
        emphasis = (1 + self.atom_weight * target / height) / height
        error = prediction - target
        blocks = avg_pool3d(error, MASS_BLOCK).square() / avg_pool3d(height, MASS_BLOCK)
        terms = {"density": (emphasis * error.square()).mean(), "mass": blocks.mean() * MASS_BLOCK**3}
        if self.weights["presence"]:
            terms["presence"] = presence
        if self.weights["fourier"]:
            terms["fourier"] = self.measured(prediction, patch, tilt_limit)
        if self.weights["atomicity"]:
            terms["atomicity"] = atomicity(prediction)
        return terms

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of `terms`."""
        return sum((self.weights[name] * term for name, term in terms.items()), start=next(iter(terms.values())) * 0)


def atomicity(density: Tensor) -> Tensor:
    """Share of the mass of `density` (b, 1, px, py, pz) that is no part of an atom.

    An atom is a maximum that is the highest within a bond; a second maximum closer than that, and mass that lies
    further from every atom than its size, count as outside. Gradients move mass, not the choice of the maxima.
    """
    fixed = density.detach()
    highest = max_pool3d(fixed, BOND, stride=1, padding=BOND // 2)
    atoms = (fixed == highest) & (fixed > LOWEST_ATOM)
    inside = max_pool3d(atoms.to(density.dtype), ATOM, stride=1, padding=ATOM // 2)
    return (density * (1 - inside)).sum() / density.sum().clamp(min=1e-6)
