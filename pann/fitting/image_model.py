"""Images expected from a set of atoms, and their derivatives by every free parameter.

    μ_t(u) = b_t(u) + extra_t(u) + L_t(u) / (1 + β L_t(u)),
    L_t(u) = s_t Σᵢ Hᵢ exp(−α zᵢₜ) PSFᵢ(u − [R_t rᵢ]₁₂ − d_t),    zᵢₜ = [R_t rᵢ]₃

with background b, scale s, shift d and rotation R of the image t, and intensity H of the atom. The saturation β is
what remains of the linear model in thick crystals (at 6 nm on a zone axis it takes R from 29 to 11 %). The attenuation
α tells atoms that the beam meets first from those that it meets last: what electrons lose on the way is α times the
depth under the surface, of which z, counted from the centre of rotation, is the part that differs between the atoms of
a column; the rest depends on the thickness alone and is β's. The PSF is a sum of Gaussians (`pann.fitting.halo`), of
which the narrowest, rendered atom by atom, may be wider for one element than for another.
"""

from dataclasses import replace

import torch
from torch import Tensor

from pann.fitting.expansion import Expansion
from pann.fitting.parameters import Layout, State
from pann.fitting.surface import surface_terms


class ImageModel:
    """Geometry of a tilt series and the layout of the free parameters.

    Parameters
    ----------
    rotations : (n_tilts, 3, 3) rotation matrices (`pann.core.geometry`).
    image_shape : (nx, ny).
    pixel_size : [Å].
    layout : what is free.
    extra : (n_tilts, nx, ny) images of everything that is not in the model, kept fixed [image units].
    dtype : precision of the images.
    """

    def __init__(
        self,
        rotations: Tensor,
        image_shape: tuple[int, int],
        pixel_size: float,
        layout: Layout,
        extra: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.rotations = rotations.double()
        self.image_shape = image_shape
        self.pixel_size = pixel_size
        self.layout = layout
        self.extra = None if extra is None else extra.to(dtype)
        self.dtype = dtype
        self.terms = surface_terms(image_shape, layout.surface, dtype).to(rotations.device)

    def centres(self, state: State) -> Tensor:
        """Detector position of every atom in every image (n_tilts, n_atoms, 2) [pixels]."""
        middle = torch.tensor([n // 2 for n in self.image_shape], dtype=torch.float64, device=self.rotations.device)
        seen = torch.einsum("tij,nj->tni", state.turned(self.rotations)[:, :2], state.positions) + state.shifts[:, None]
        return seen / self.pixel_size + middle

    def subset(self, chosen: Tensor) -> "ImageModel":
        """The model of the `chosen` images alone, for states that differ between images in nothing but the angle."""
        layout = replace(self.layout, n_tilts=len(chosen))
        extra = None if self.extra is None else self.extra[chosen]
        return ImageModel(self.rotations[chosen], self.image_shape, self.pixel_size, layout, extra, self.dtype)

    def at(self, state: State) -> Expansion:
        """The images at `state`, with first derivatives."""
        return Expansion(self, state)
