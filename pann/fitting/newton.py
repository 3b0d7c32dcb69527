"""The quadratic model of the likelihood about a state, and its minimiser.

Gauss-Newton with the expected (Fisher) information: F = Jᵀ W J, with J the derivative of the images by the parameters
and W the inverse variance of the pixels. F is never formed: a product with it is one push forward and one pull back,
so the cost is linear in the number of atoms. The preconditioner is exact within each atom (3 × 3, or 4 × 4 with its
intensity) and among all parameters that are not of one atom; conjugate gradients supply the rest, chiefly atoms that
overlap.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from pann.fitting.expansion import Expansion
from pann.fitting.parameters import Layout
from pann.fitting.turns import gauge_free

NULL_BELOW = 1e-7
"""Eigenvalue of an information matrix of unit diagonal that counts as zero: float32 images resolve no less."""


class Preconditioner:
    """Block-diagonal approximation of the information and its inverse."""

    def __init__(self, expansion: Expansion, inverse_variance: Tensor, prior_precision: Tensor) -> None:
        self.layout = expansion.layout
        self.atoms = atom_blocks(expansion, inverse_variance, prior_precision)
        self.atom_inverse = symmetric_inverse(self.atoms)
        slopes = SharedSlopes.of(expansion)
        self.first_shared = self.layout.n_parameters - slopes.n_parameters
        self.shared = slopes.information(inverse_variance) + torch.diag(prior_precision[self.first_shared :])
        self.shared_inverse = symmetric_inverse(self.shared)

    def hold(self, constraint: "Constraint") -> None:
        """Invert within `constraint`: along a gauge the information is rounding alone, which an inverse blows up."""
        within = constraint.of_shared(len(self.shared))
        self.shared_inverse = symmetric_inverse(within @ self.shared @ within.T)

    def _apply(self, blocks: Tensor, shared: Tensor, vector: Tensor) -> Tensor:
        n = self.layout.n_atoms
        columns = [vector[: 3 * n].reshape(n, 3)]
        if self.layout.block == 4:
            columns.append(vector[3 * n : 4 * n, None])
        product = torch.einsum("nij,nj->ni", blocks, torch.cat(columns, 1))
        return torch.cat([product[:, :3].reshape(-1), product[:, 3:].reshape(-1), shared @ vector[self.first_shared :]])

    def multiply(self, vector: Tensor) -> Tensor:
        """The approximation times `vector`."""
        return self._apply(self.atoms, self.shared, vector)

    def solve(self, vector: Tensor) -> Tensor:
        """Its inverse times `vector`."""
        return self._apply(self.atom_inverse, self.shared_inverse, vector)


def atom_blocks(expansion: Expansion, inverse_variance: Tensor, prior_precision: Tensor) -> Tensor:
    """Information (n_atoms, size, size) of the parameters of each atom, all others held, prior included."""
    layout = expansion.layout
    blocks = expansion.information(inverse_variance)[:, : layout.block, : layout.block]
    known = layout.split(prior_precision)
    blocks[:, :3, :3] += torch.diag_embed(known["positions"])
    if layout.factors:
        blocks[:, 3, 3] += known["factor"]
    return blocks


def symmetric_inverse(matrices: Tensor) -> Tensor:
    """Pseudo-inverse of information matrices (..., n, n): zero along a gauge, of which the images say nothing."""
    scale = torch.diagonal(matrices, dim1=-2, dim2=-1).clamp(min=0).sqrt()
    inverse_scale = torch.where(scale > 0, 1 / scale.clamp(min=1e-150), 0.0)
    unit = inverse_scale[..., :, None] * matrices * inverse_scale[..., None, :]
    values, vectors = torch.linalg.eigh(unit)
    inverse_values = torch.where(values > NULL_BELOW, 1 / values.clamp(min=NULL_BELOW), 0.0)
    inverse = (vectors * inverse_values[..., None, :]) @ vectors.transpose(-1, -2)
    return inverse_scale[..., :, None] * inverse * inverse_scale[..., None, :]


@dataclass(frozen=True)
class SharedSlopes:
    """Derivative images of the parameters that do not belong to one atom.

    Attributes
    ----------
    images : one stack (n_tilts, nx, ny) for each parameter, or for each family with a member per image.
    places : for each stack, which of the shared parameters each of its images belongs to, (n_tilts,).
    n_parameters : number of shared parameters; they are the last of the vector.
    """

    images: list[Tensor]
    places: list[Tensor]
    n_parameters: int

    @classmethod
    def of(cls, expansion: Expansion) -> "SharedSlopes":
        """The slopes at the state of `expansion`."""
        layout, device = expansion.layout, expansion.core.device
        per_image = _per_image_slopes(expansion)
        of_atoms = {"positions", "factor"} | ({"intensity"} if layout.per_atom else set())
        kinds = {kind: size for kind, size in layout.sizes.items() if kind not in of_atoms}
        first = layout.n_parameters - sum(kinds.values())
        images: list[Tensor] = []
        places: list[Tensor] = []
        begin = 0
        for kind, size in kinds.items():
            family = per_image.get(kind, [])
            for k, slope in enumerate(family):
                stride = 0 if size == 1 else len(family)
                images.append(slope)
                places.append(begin + stride * torch.arange(layout.n_tilts, device=device) + k)
            for k in range(0 if family else size):
                unit = torch.zeros(layout.n_parameters, dtype=torch.float64, device=device)
                unit[first + begin + k] = 1
                images.append(expansion.jvp(unit))
                places.append(torch.full((layout.n_tilts,), begin + k, device=device))
            begin += size
        return cls(images, places, begin)

    def information(self, inverse_variance: Tensor) -> Tensor:
        """Fisher information among the shared parameters (n_parameters, n_parameters)."""
        result = inverse_variance.new_zeros(self.n_parameters, self.n_parameters, dtype=torch.float64)
        for tilt in range(len(inverse_variance) if self.images else 0):
            rows = torch.stack([slope[tilt].reshape(-1) for slope in self.images]).double()
            index = torch.stack([place[tilt] for place in self.places])
            gram = (rows * inverse_variance[tilt].reshape(-1)) @ rows.T
            result.index_put_((index[:, None], index[None, :]), gram, accumulate=True)
        return result


def _per_image_slopes(expansion: Expansion) -> dict[str, list[Tensor]]:
    """Derivative images of the parameters of which each image has its own; one or two per image."""
    layout, state = expansion.layout, expansion.state
    slopes: dict[str, list[Tensor]] = {}
    if layout.background != "none":
        slopes["background"] = [torch.ones_like(expansion.atoms)]
    if layout.surface:
        slopes["surface"] = [term.expand_as(expansion.atoms) for term in expansion.model.terms]
    if layout.scale:
        linear = expansion.linear / state.scale[:, None, None].to(expansion.linear.dtype)
        slopes["scale"] = [expansion.saturated(linear)]
    for kind, size in (("shifts", 2 * layout.shifts), ("turns", 3 * layout.turns)):
        for axis in range(size):
            unit = layout.split(torch.zeros(layout.n_parameters, dtype=torch.float64, device=expansion.atoms.device))
            unit[kind][:, axis] = 1
            slopes.setdefault(kind, []).append(expansion.jvp(layout.join(unit)))
    return slopes


class Constraint:
    """Linear constraints on a step: frozen parameters, and the gauge.

    A scale common to all images is an intensity, a width common to all kinds of atoms that of the PSF, shifts of the
    form [R_t a]₁₂ are a translation of the particle by a, and turns of the form R_t a are a rotation of it: steps of
    scale and of the widths of kinds have mean zero, steps of shift and of turns are orthogonal to these.
    """

    def __init__(self, layout: Layout, rotations: Tensor, free: Tensor) -> None:
        self.layout = layout
        self.free = free
        self._rotations = rotations
        view = rotations[:, :2]
        self._translations = torch.linalg.qr(view.reshape(-1, 3))[0] if layout.shifts else None

    def __call__(self, vector: Tensor) -> Tensor:
        """The part of `vector` that obeys the constraints."""
        projected = vector * self.free
        parts = self.layout.split(projected)
        if self.layout.scale:
            parts["scale"] -= parts["scale"].mean()
        if self.layout.element_widths:
            parts["element_width"] -= parts["element_width"].mean()
        if self._translations is not None:
            shifts = parts["shifts"].reshape(-1)
            shifts -= self._translations @ (self._translations.T @ shifts)
        if self.layout.turns:
            parts["turns"].copy_(gauge_free(parts["turns"], self._rotations))
        return projected

    def of_shared(self, n: int) -> Tensor:
        """What it does to the last `n` parameters, (n, n)."""
        columns = []
        for k in range(n):
            unit = torch.zeros_like(self.free)
            unit[len(unit) - n + k] = 1
            columns.append(self(unit)[len(unit) - n :])
        return torch.stack(columns, 1) if columns else self.free.new_zeros(0, 0)


def conjugate_gradients(
    expansion: Expansion,
    inverse_variance: Tensor,
    gradient: Tensor,
    preconditioner: Preconditioner,
    prior_precision: Tensor,
    constraint: Constraint,
    damping: float,
    tolerance: float,
    max_products: int,
) -> Tensor:
    """Step that minimises gᵀδ + δᵀ(F + damping · M)δ / 2 under the constraint.

    Parameters
    ----------
    gradient : (n_parameters,) g.
    preconditioner : M.
    damping : Levenberg-Marquardt parameter, in units of M.
    tolerance : stop when the residual has fallen to this fraction, in the norm of M⁻¹.
    max_products : stop after so many products with F.
    """
    step = torch.zeros_like(gradient)
    residual = -constraint(gradient)
    direction = solved = constraint(preconditioner.solve(residual)) / (1 + damping)
    size = first = float(residual @ solved)
    for _ in range(max_products):
        if size <= 0 or sqrt(size) <= tolerance * sqrt(first):
            break
        product = expansion.vjp(inverse_variance * expansion.jvp(direction)) + prior_precision * direction
        product = constraint(product + damping * preconditioner.multiply(direction))
        curvature = float(direction @ product)
        if curvature <= 0:
            break
        step = step + size / curvature * direction
        residual = residual - size / curvature * product
        solved = constraint(preconditioner.solve(residual)) / (1 + damping)
        previous, size = size, float(residual @ solved)
        direction = solved + size / previous * direction
    return step
