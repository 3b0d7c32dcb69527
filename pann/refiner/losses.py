"""What training minimises on a patch."""

from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, max_pool3d

MASS_BLOCK = 8
"""Edge [voxels] of the blocks whose mass is compared: about one atom and its surroundings."""
NEIGHBOURHOOD = 5
"""Edge [voxels] of the cube whose largest target value is the height of the atom at hand."""


class RefinerLoss(nn.Module):
    """Weighted sum of the losses on density.

    Squared errors are divided by the height of the atom at hand plus `floor`, as the variance of counts grows with the
    intensity: without that a heavy element drowns a light one beside it.

    Parameters
    ----------
    density : weight of the squared error.
    atom_weight : the squared error at the peak of an atom counts 1 + `atom_weight` times that of its surroundings.
    floor : height, relative to a mean atom, below which atoms count as vacuum does.
    mass : weight of the squared error of block means, which ties the integrated intensity, hence the chemistry.
    """

    def __init__(self, density: float, atom_weight: float, floor: float, mass: float) -> None:
        super().__init__()
        self.weights = {"density": density, "mass": mass}
        self.atom_weight = atom_weight
        self.floor = floor

    def forward(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Terms by name, unweighted, for (b, 1, px, py, pz) densities."""
        height = max_pool3d(target, NEIGHBOURHOOD, stride=1, padding=NEIGHBOURHOOD // 2) + self.floor
        emphasis = (1 + self.atom_weight * target / height) / height
        error = prediction - target
        blocks = avg_pool3d(error, MASS_BLOCK).square() / avg_pool3d(height, MASS_BLOCK)
        return {"density": (emphasis * error.square()).mean(), "mass": blocks.mean() * MASS_BLOCK**3}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of `terms`."""
        return sum((self.weights[name] * term for name, term in terms.items()), start=next(iter(terms.values())) * 0)
