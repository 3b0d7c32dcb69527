"""The image model expanded to first order about one state: images, their derivatives, and the transpose of these."""

from functools import cached_property
from math import ceil, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pann.fitting.halo import Halo
from pann.fitting.parameters import State
from pann.fitting.render import CUTOFF, Renderer

if TYPE_CHECKING:
    from pann.fitting.image_model import ImageModel

HALO_REACH = 3.1
"""Distance, in sigmas of the halo, beyond which an atom outside the image adds nothing to it."""


class Expansion:
    """The image model expanded to first order about one state."""

    def __init__(self, model: "ImageModel", state: State) -> None:
        self.model = model
        self.layout = model.layout
        self.state = state
        self.rotations = state.turned(model.rotations)
        centres = model.centres(state)
        self.sigma = state.sigma / model.pixel_size
        self.widths = state.core_widths(self.layout.kind) / model.pixel_size
        """Width of the core of every atom, (n_atoms,) or () [pixels]."""
        self.pad = self._padding(centres)
        self.field = (model.image_shape[0] + 2 * self.pad, model.image_shape[1] + 2 * self.pad)
        self.centres = centres + self.pad
        """Centres of the atoms in the padded images [pixels]."""
        self.renderer = Renderer(self.centres, self.widths, self.field, model.dtype)
        self.gain = state.scale[:, None] * self._fade
        """Factor of the intensity of every atom in every image (n_tilts, n_atoms)."""
        self.amplitude = self.gain * state.atom_intensity(self.layout.group)
        """Integrated intensity of every atom in every image (n_tilts, n_atoms)."""
        self.own = state.intensity[self.layout.group] if self.layout.factors else torch.ones_like(state.positions[:, 0])
        """Change of the intensity of an atom by the parameter of its own (n_atoms,)."""
        self.core = self.renderer.render(self.amplitude)
        self.halo = Halo(self.field, self.sigma, state.ratios, state.weights, self.core)

    def _padding(self, centres: Tensor) -> int:
        if len(self.state.ratios) == 1 or centres.shape[1] == 0:
            return 0
        reach = CUTOFF * float(self.widths.max())
        size = torch.tensor(self.model.image_shape, device=centres.device) - 1
        low, high = centres.amin((0, 1)) - reach, centres.amax((0, 1)) + reach
        beyond = float(torch.maximum(-low, high - size).max())
        return max(0, min(ceil(beyond), ceil(HALO_REACH * max(self.state.ratios) * self.sigma)))

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

    @property
    def _fade(self) -> Tensor:
        """exp(−α z) of every atom in every image (n_tilts, n_atoms)."""
        if not self.state.attenuation:
            return self.state.scale.new_ones(self.layout.n_tilts, self.layout.n_atoms)
        return torch.exp(-self.state.attenuation * self._seen[..., 2])

    @cached_property
    def linear(self) -> Tensor:
        """Sum of the atoms before saturation (n_tilts, nx, ny)."""
        return self._crop(self.halo.spread(self.core))

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
    def _width_slope(self) -> Tensor | None:
        """Derivative by log σ of the halo alone: the core's is the renderer's."""
        slope = self.halo.by_width(self.core)
        return None if slope is None else self._crop(slope)

    @cached_property
    def _weight_slope(self) -> Tensor:
        """Derivative by the weight of the halo."""
        return self._crop(self.halo.by_weight(self.core))

    @cached_property
    def _ratio_slope(self) -> Tensor:
        """Derivative by the logarithm of the ratio of halo to core."""
        return self._crop(self.halo.by_ratio(self.core))

    def jvp(self, vector: Tensor) -> Tensor:
        """Change of the images (n_tilts, nx, ny) for a change `vector` of the free parameters."""
        parts, layout, state = self.layout.split(vector), self.layout, self.state
        move = torch.einsum("tij,nj->tni", self.rotations, parts["positions"])
        if layout.turns:
            move = move + torch.linalg.cross(parts["turns"][:, None], self._seen)
        shift = move[..., :2]
        if layout.shifts:
            shift = shift + parts["shifts"][:, None]
        change = parts["intensity"][layout.group] * (1 if state.factor is None else state.factor)
        if layout.factors:
            change = change + self.own * parts["factor"]
        brighter = self.gain * change
        if layout.scale:
            brighter = brighter + (parts["scale"] / state.scale)[:, None] * self.amplitude
        if state.attenuation:
            brighter = brighter - state.attenuation * self.amplitude * move[..., 2]
        if layout.attenuation:
            brighter = brighter - float(parts["attenuation"]) * self.amplitude * self._seen[..., 2]
        core = self.renderer.jvp(self.amplitude, shift / self.model.pixel_size, brighter, self._widening(parts))
        change = self._crop(self.halo.spread(core))
        if layout.width and self._width_slope is not None:
            change = change + float(parts["width"]) * self._width_slope
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

    def _widening(self, parts: dict[str, Tensor]) -> Tensor | None:
        """Relative change of the width of the core of each atom (n_atoms,); None for none."""
        layout = self.layout
        if not (layout.width or layout.element_widths):
            return None
        common = parts["width"] if layout.width else self.state.positions.new_zeros(1)
        if layout.element_widths and layout.kind is not None:
            return common + parts["element_width"][layout.kind]
        return common.expand(layout.n_atoms)

    def vjp(self, images: Tensor) -> Tensor:
        """Transpose of `jvp`: gradient of <`images`, μ> by the free parameters."""
        layout, state = self.layout, self.state
        images = images.to(self.model.dtype)
        by_centre, by_amplitude, by_width = self.pull(images, layout.width or layout.element_widths)
        by_atom = (self.gain * by_amplitude).sum(0)
        pulled = self._by_place(by_centre, by_amplitude)
        by_group = by_atom if state.factor is None else by_atom * state.factor
        parts = {
            "positions": torch.einsum("tij,tni->nj", self.rotations, pulled),
            "intensity": state.intensity.new_zeros(layout.n_groups).index_add_(0, layout.group, by_group),
            "factor": self.own * by_atom,
            "background": layout.background_sum(images.sum((1, 2), dtype=torch.float64)),
            "scale": (by_amplitude * self.amplitude).sum(1) / state.scale,
            "shifts": by_centre.sum(1),
        }
        if layout.turns:
            parts["turns"] = torch.linalg.cross(self._seen, pulled).sum(1)
        if layout.surface:
            parts["surface"] = torch.einsum("txy,kxy->tk", images.double(), self.model.terms.double())
        shared = state.intensity.new_empty
        if layout.saturation:
            parts["saturation"] = shared(1).fill_(_dot(images, self._saturation_slope))
        if layout.attenuation:
            parts["attenuation"] = -(by_amplitude * self.amplitude * self._seen[..., 2]).sum().reshape(1)
        if layout.element_widths and layout.kind is not None:
            parts["element_width"] = shared(layout.n_kinds).zero_().index_add_(0, layout.kind, by_width)
        images = self.saturated(images)
        if layout.width:
            blurs = 0.0 if self._width_slope is None else _dot(images, self._width_slope)
            parts["width"] = shared(1).fill_(float(by_width.sum()) + blurs)
        if layout.halo_weight:
            parts["halo_weight"] = shared(1).fill_(_dot(images, self._weight_slope))
        if layout.halo_ratio:
            parts["halo_ratio"] = shared(1).fill_(_dot(images, self._ratio_slope))
        return layout.join(parts)

    def _by_place(self, by_centre: Tensor, by_amplitude: Tensor) -> Tensor:
        """Gradient by the place of each atom in the frame of each image (n_tilts, n_atoms, 3) [1/Å], of a `pull`."""
        if not self.state.attenuation:
            return torch.nn.functional.pad(by_centre, (0, 1))
        deeper = -self.state.attenuation * self.amplitude * by_amplitude
        return torch.cat([by_centre, deeper[..., None]], 2)

    def by_position(self, by_centre: Tensor, by_amplitude: Tensor) -> Tensor:
        """Gradient by the position of each atom, image by image (n_tilts, n_atoms, 3) [1/Å], of a `pull`."""
        return torch.einsum("tij,tni->tnj", self.rotations, self._by_place(by_centre, by_amplitude))

    def pull(self, images: Tensor, with_width: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient of <`images`, μ> by what each image sees of each atom.

        Returns
        -------
        by_centre : (n_tilts, n_atoms, 2), by the detector position [1/Å].
        by_amplitude : (n_tilts, n_atoms), by the intensity in the image.
        by_width : (n_atoms,), by the logarithm of the width of the core, zero unless `with_width`.
        """
        spread = self.halo.spread(self.embed(self.saturated(images)))
        by_centre, by_amplitude, by_width = self.renderer.vjp(self.amplitude, spread, with_width)
        return by_centre / self.model.pixel_size, by_amplitude, by_width

    def information(self, inverse_variance: Tensor) -> Tensor:
        """Fisher information (n_atoms, 4, 4) of (x, y, z [Å], own intensity or factor) of each atom, all others held.

        F = Σ_pixels (∂μ/∂θ)(∂μ/∂θ)ᵀ / variance.
        """
        blurs = tuple(self.sigma * sqrt(ratio**2 - 1) for ratio in self.state.ratios)
        inverse_variance = self.saturated(self.saturated(inverse_variance))
        seen = self.renderer.information(self.embed(inverse_variance), blurs, self.state.weights)
        blocks = seen.new_zeros(self.layout.n_atoms, 4, 4)
        slopes = seen.new_zeros(self.layout.n_atoms, 3, 4)  # of what an image sees, by the parameters of the atom
        for rotation, amplitude, gain, by_image in zip(self.rotations, self.amplitude, self.gain, seen, strict=True):
            moved = rotation / self.model.pixel_size
            slopes[:, :2, :3] = amplitude[:, None, None] * moved[:2]
            slopes[:, 2, :3] = -self.state.attenuation * amplitude[:, None] * rotation[2]
            slopes[:, 2, 3] = self.own * gain
            blocks += slopes.transpose(1, 2) @ by_image @ slopes
        return blocks


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a.double() * b.double()).sum())
