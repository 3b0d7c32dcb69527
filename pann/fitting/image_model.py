"""Images expected from a set of atoms, and their derivatives by every free parameter.

    μ_t(u) = b_t(u) + extra_t(u) + L_t(u) / (1 + β L_t(u)),    L_t(u) = s_t Σᵢ Hᵢ PSF(u − [R_t rᵢ]₁₂ − d_t)

with background b, scale s, shift d and rotation R of the image t, and intensity H of the atom. The saturation β is
what remains of the linear model in thick crystals (at 6 nm on a zone axis it takes R from 29 to 11 %). The PSF is a
sum of Gaussians. Only the narrowest is rendered atom by atom; since N(ρσ) = N(σ) ⊛ N(σ √(ρ² − 1)), the wider ones are
that image blurred once more, at a cost that does not depend on the number of atoms. The blur is a product with two
small Toeplitz matrices, symmetric, hence its own transpose. The images are padded where atoms lie close to the edge.
"""

from dataclasses import replace
from functools import cached_property
from math import ceil, pi, sqrt

import torch
from torch import Tensor

from pann.fitting.parameters import Layout, State
from pann.fitting.render import CUTOFF, Renderer
from pann.fitting.surface import surface_terms

HALO_REACH = 3.1
"""Distance, in sigmas of the halo, beyond which an atom outside the image adds nothing to it."""


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

    def at(self, state: State) -> "Expansion":
        """The images at `state`, with first derivatives."""
        return Expansion(self, state)


class Expansion:
    """The image model expanded to first order about one state."""

    def __init__(self, model: ImageModel, state: State) -> None:
        self.model = model
        self.layout = model.layout
        self.state = state
        self.rotations = state.turned(model.rotations)
        self.view = self.rotations[:, :2]
        centres = model.centres(state)
        self.sigma = state.sigma / model.pixel_size
        self.pad = self._padding(centres)
        self.field = (model.image_shape[0] + 2 * self.pad, model.image_shape[1] + 2 * self.pad)
        self.centres = centres + self.pad
        """Centres of the atoms in the padded images [pixels]."""
        self.renderer = Renderer(self.centres, self.sigma, self.field, model.dtype)
        self.amplitude = state.scale[:, None] * state.atom_intensity(self.layout.group)
        """Integrated intensity of every atom in every image (n_tilts, n_atoms)."""
        self.own = state.intensity[self.layout.group] if self.layout.factors else torch.ones_like(state.positions[:, 0])
        """Change of the intensity of an atom by the parameter of its own (n_atoms,)."""
        self.core = self.renderer.render(self.amplitude)
        self.blurs = [self._blur_matrices(ratio) for ratio in state.ratios[1:]]

    def _padding(self, centres: Tensor) -> int:
        if len(self.state.ratios) == 1 or centres.shape[1] == 0:
            return 0
        reach = CUTOFF * self.sigma
        size = torch.tensor(self.model.image_shape, device=centres.device) - 1
        low, high = centres.amin((0, 1)) - reach, centres.amax((0, 1)) + reach
        beyond = float(torch.maximum(-low, high - size).max())
        return max(0, min(ceil(beyond), ceil(HALO_REACH * max(self.state.ratios) * self.sigma)))

    def _blur_matrices(self, ratio: float) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Blur by σ √(ρ² − 1) along both axes, and its derivative by that width."""
        width = self.sigma * sqrt(ratio**2 - 1)
        blur, slope = [], []
        for n in self.field:
            index = torch.arange(n, dtype=torch.float64, device=self.core.device)
            square = ((index[:, None] - index) / width) ** 2
            kernel = torch.exp(-square / 2) / (sqrt(2 * pi) * width)
            blur.append(kernel.to(self.model.dtype))
            slope.append((kernel * (square - 1) / width).to(self.model.dtype))
        return (blur[0], blur[1]), (slope[0], slope[1])

    def _spread(self, images: Tensor) -> Tensor:
        """PSF beyond the core: Σₖ wₖ (images ⊛ blurₖ), its own transpose."""
        weights = self.state.weights
        total = images * weights[0]
        for weight, ((along_x, along_y), _) in zip(weights[1:], self.blurs, strict=True):
            total = total + weight * (along_x @ images @ along_y)
        return total

    def _crop(self, images: Tensor) -> Tensor:
        nx, ny = self.model.image_shape
        return images[:, self.pad : self.pad + nx, self.pad : self.pad + ny]

    def embed(self, images: Tensor) -> Tensor:
        """`images` with the margin of zeros in which atoms beyond the edge are rendered."""
        return torch.nn.functional.pad(images.to(self.model.dtype), (self.pad,) * 4)

    @cached_property
    def _seen(self) -> Tensor:
        """Atoms in the frame of each image (n_tilts, n_atoms, 3) [Å]."""
        return torch.einsum("tij,nj->tni", self.rotations, self.state.positions)

    @cached_property
    def linear(self) -> Tensor:
        """Sum of the atoms before saturation (n_tilts, nx, ny)."""
        return self._crop(self._spread(self.core))

    @cached_property
    def atoms(self) -> Tensor:
        """Images of the atoms alone (n_tilts, nx, ny)."""
        return self.linear / (1 + self.state.saturation * self.linear) if self.state.saturation else self.linear

    def saturated(self, images: Tensor) -> Tensor:
        """Changes `images` of the linear sum as the detector sees them; its own transpose."""
        if not self.state.saturation:
            return images
        return images / (1 + self.state.saturation * self.linear) ** 2

    @cached_property
    def _saturation_slope(self) -> Tensor:
        """Derivative by the saturation."""
        return -self.saturated(self.linear**2)

    @cached_property
    def images(self) -> Tensor:
        """Expected images μ (n_tilts, nx, ny)."""
        images = self.atoms + self.state.background[:, None, None].to(self.model.dtype)
        if self.state.surface is not None:
            images = images + torch.einsum("tk,kxy->txy", self.state.surface.to(images.dtype), self.model.terms)
        return images if self.model.extra is None else images + self.model.extra

    @cached_property
    def _blur_slopes(self) -> list[Tensor]:
        """Derivative of each blurred core image by the width of its blur."""
        slopes = []
        for (along_x, along_y), (slope_x, slope_y) in self.blurs:
            slopes.append(self._crop(slope_x @ self.core @ along_y + along_x @ self.core @ slope_y))
        return slopes

    @cached_property
    def _width_slope(self) -> Tensor | None:
        """Derivative by log σ of the blurs alone: the core's is the renderer's."""
        terms = [
            weight * sqrt(ratio**2 - 1) * self.sigma * slope
            for weight, ratio, slope in zip(
                self.state.weights[1:], self.state.ratios[1:], self._blur_slopes, strict=True
            )
        ]
        return sum(terms[1:], terms[0]) if terms else None

    @cached_property
    def _weight_slope(self) -> Tensor:
        """Derivative by the weight of the halo."""
        (along_x, along_y), _ = self.blurs[0]
        return self._crop(along_x @ self.core @ along_y - self.core)

    @cached_property
    def _ratio_slope(self) -> Tensor:
        """Derivative by the logarithm of the ratio of halo to core."""
        ratio = self.state.ratios[1]
        return self.state.weights[1] * self.sigma * ratio**2 / sqrt(ratio**2 - 1) * self._blur_slopes[0]

    def jvp(self, vector: Tensor) -> Tensor:
        """Change of the images (n_tilts, nx, ny) for a change `vector` of the free parameters."""
        parts, layout, state = self.layout.split(vector), self.layout, self.state
        shift = torch.einsum("tij,nj->tni", self.view, parts["positions"])
        if layout.turns:
            shift = shift + torch.linalg.cross(parts["turns"][:, None], self._seen)[..., :2]
        if layout.shifts:
            shift = shift + parts["shifts"][:, None]
        intensity = state.atom_intensity(layout.group)
        change = parts["intensity"][layout.group] * (1 if state.factor is None else state.factor)
        if layout.factors:
            change = change + self.own * parts["factor"]
        brighter = state.scale[:, None] * change
        if layout.scale:
            brighter = brighter + parts["scale"][:, None] * intensity
        widen = float(parts["width"]) if layout.width else 0.0
        core = self.renderer.jvp(self.amplitude, shift / self.model.pixel_size, brighter, widen * self.sigma)
        change = self._crop(self._spread(core))
        if widen and self._width_slope is not None:
            change = change + widen * self._width_slope
        if layout.halo_weight:
            change = change + float(parts["halo_weight"]) * self._weight_slope
        if layout.halo_ratio:
            change = change + float(parts["halo_ratio"]) * self._ratio_slope
        change = self.saturated(change)
        if layout.saturation:
            change = change + float(parts["saturation"]) * self._saturation_slope
        if layout.surface:
            change = change + torch.einsum("tk,kxy->txy", parts["surface"].to(change.dtype), self.model.terms)
        background = layout.background_of(parts["background"])
        return change + background[:, None, None].to(self.model.dtype)

    def vjp(self, images: Tensor) -> Tensor:
        """Transpose of `jvp`: gradient of <`images`, μ> by the free parameters."""
        layout, state = self.layout, self.state
        images = images.to(self.model.dtype)
        by_centre, by_amplitude, by_sigma = self.pull(images, layout.width)
        by_atom = (state.scale[:, None] * by_amplitude).sum(0)
        by_group = by_atom if state.factor is None else by_atom * state.factor
        parts = {
            "positions": torch.einsum("tij,tni->nj", self.view, by_centre),
            "intensity": state.intensity.new_zeros(layout.n_groups).index_add_(0, layout.group, by_group),
            "factor": self.own * by_atom,
            "background": layout.background_sum(images.sum((1, 2), dtype=torch.float64)),
            "scale": by_amplitude @ state.atom_intensity(layout.group),
            "shifts": by_centre.sum(1),
        }
        if layout.turns:
            pulled = torch.nn.functional.pad(by_centre, (0, 1))
            parts["turns"] = torch.linalg.cross(self._seen, pulled).sum(1)
        if layout.surface:
            parts["surface"] = torch.einsum("txy,kxy->tk", images.double(), self.model.terms.double())
        shared = state.intensity.new_empty
        if layout.saturation:
            parts["saturation"] = shared(1).fill_(_dot(images, self._saturation_slope))
        images = self.saturated(images)
        if layout.width:
            blurs = 0.0 if self._width_slope is None else _dot(images, self._width_slope)
            parts["width"] = shared(1).fill_(by_sigma * self.sigma + blurs)
        if layout.halo_weight:
            parts["halo_weight"] = shared(1).fill_(_dot(images, self._weight_slope))
        if layout.halo_ratio:
            parts["halo_ratio"] = shared(1).fill_(_dot(images, self._ratio_slope))
        return layout.join(parts)

    def pull(self, images: Tensor, with_sigma: bool = False) -> tuple[Tensor, Tensor, float]:
        """Gradient of <`images`, μ> by what each image sees of each atom.

        Returns
        -------
        by_centre : (n_tilts, n_atoms, 2), by the detector position [1/Å].
        by_amplitude : (n_tilts, n_atoms), by the intensity in the image.
        by_sigma : by the width of the core [1/pixel], zero unless `with_sigma`.
        """
        spread = self._spread(self.embed(self.saturated(images)))
        by_centre, by_amplitude, by_sigma = self.renderer.vjp(self.amplitude, spread, with_sigma)
        return by_centre / self.model.pixel_size, by_amplitude, by_sigma

    def information(self, inverse_variance: Tensor) -> Tensor:
        """Fisher information (n_atoms, 4, 4) of (x, y, z [Å], own intensity or factor) of each atom, all others held.

        F = Σ_pixels (∂μ/∂θ)(∂μ/∂θ)ᵀ / variance.
        """
        sigmas = tuple(ratio * self.sigma for ratio in self.state.ratios)
        inverse_variance = self.saturated(self.saturated(inverse_variance))
        seen = self.renderer.information(self.embed(inverse_variance), sigmas, self.state.weights)
        amplitude = self.amplitude[..., None, None]
        view = self.view / self.model.pixel_size
        n = self.layout.n_atoms
        blocks = seen.new_zeros(n, 4, 4)
        moving = amplitude**2 * seen[..., :2, :2]
        blocks[:, :3, :3] = torch.einsum("tia,tnij,tjb->nab", view, moving, view)
        cross = self.state.scale[:, None, None] * amplitude[..., 0] * seen[..., :2, 2]
        blocks[:, :3, 3] = blocks[:, 3, :3] = self.own[:, None] * torch.einsum("tia,tni->na", view, cross)
        blocks[:, 3, 3] = self.own**2 * (self.state.scale[:, None] ** 2 * seen[..., 2, 2]).sum(0)
        return blocks


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a.double() * b.double()).sum())
