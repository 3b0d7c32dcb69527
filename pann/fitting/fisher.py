"""How well the data can tell where the atoms are: Fisher information and the Cramér-Rao bound.

F = Σ_pixels (∂μ/∂θ)(∂μ/∂θ)ᵀ / variance; the covariance of any unbiased estimate is at least F⁻¹ (Kay, Fundamentals of
Statistical Signal Processing: Estimation Theory, 3.7). μ holds all atoms, so a neighbour's light always counts as
noise. All parameters vary at once: overlapping atoms, intensities, background, scale, shift, turn and PSF. Where
shifts or turns are free the bound is that of the shape of the particle: its translation or rotation as a whole is
held. For a small model F is formed and inverted. For a large one each atom's own block is inverted, and what the rest
adds is sampled (`pann.fitting.sampling`).
"""

from math import sqrt

import torch
from torch import Tensor

from pann.fitting.expansion import Expansion
from pann.fitting.newton import SharedSlopes, atom_blocks, symmetric_inverse
from pann.fitting.render import Renderer
from pann.fitting.sampling import sampled_excess
from pann.fitting.tiles import Chunk
from pann.fitting.turns import rigid_motions

GRAM_ELEMENTS = 2_000_000
"""Derivative values (atoms × parameters × pixels) formed at once."""
GRAM_TILE = 16
"""Side of the tiles [pixels]: products of all pairs in a tile cost the fourth power of its side and two atom radii."""


def position_covariance(
    expansion: Expansion, inverse_variance: Tensor, prior_precision: Tensor, full: bool, largest: float
) -> Tensor:
    """Cramér-Rao covariance of the positions.

    Parameters
    ----------
    inverse_variance : (n_tilts, nx, ny) of the pixels.
    prior_precision : (n_parameters,) of the free parameters.
    full : invert the dense information of all atoms (memory: square of their number), else that of each atom and
        sample what this misses.
    largest : standard deviation [Å] that stands for a direction in which the images do not hold the atom.

    Returns
    -------
    (n_atoms, 3, 3) float64 [Å²].
    """
    size = expansion.layout.block
    blocks = atom_blocks(expansion, inverse_variance, prior_precision)
    blocks[:, :3, :3] += _missing(blocks[:, :3, :3], largest**-2)
    if not full:
        covariance = symmetric_inverse(blocks)[:, :3, :3]
        return covariance + sampled_excess(expansion, inverse_variance, prior_precision, covariance)
    dense = _with_floor(atom_information(expansion, inverse_variance), blocks)
    dense = dense - _explained(expansion, inverse_variance, prior_precision)
    motions = rigid_motions(expansion.state.positions, expansion.layout.shifts, expansion.layout.turns)
    dense = _hold(dense, motions, size)
    covariance = _inverse(dense, largest**-2)
    n = expansion.layout.n_atoms
    return covariance.reshape(n, size, n, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)[:, :3, :3].contiguous()


def _inverse(dense: Tensor, least: float) -> Tensor:
    """Inverse of `dense`; where atoms cannot be told apart its eigenvalues are lifted to `least`."""
    factor, failed = torch.linalg.cholesky_ex(dense)
    if not int(failed):
        return torch.cholesky_inverse(factor)
    values, vectors = torch.linalg.eigh(dense)
    return (vectors / values.clamp(min=least)) @ vectors.T


def _missing(blocks: Tensor, least: float) -> Tensor:
    """What to add to `blocks` so that no eigenvalue is below `least`."""
    values, vectors = torch.linalg.eigh(blocks)
    lift = (least - values).clamp(min=0)
    return (vectors * lift[:, None, :]) @ vectors.transpose(1, 2)


def _with_floor(dense: Tensor, blocks: Tensor) -> Tensor:
    """`dense` with its diagonal blocks replaced by the floored `blocks`."""
    n, size = blocks.shape[:2]
    table = dense.reshape(n, size, n, size)
    index = torch.arange(n, device=dense.device)
    table[index, :, index, :] = blocks
    return dense


def _hold(dense: Tensor, motions: Tensor, size: int) -> Tensor:
    """Hold the rigid `motions` (3 n_atoms, k) of all atoms together, which free shifts and turns leave open."""
    n = len(dense) // size
    moves = motions.new_zeros(n, size, motions.shape[1])
    moves[:, :3] = motions.reshape(n, 3, -1)
    moves = moves.reshape(n * size, -1)
    stiffness = float(dense.diagonal().reshape(n, size)[:, :3].sum()) / n
    return dense.addmm_(moves, moves.T, alpha=stiffness)


def atom_information(expansion: Expansion, inverse_variance: Tensor) -> Tensor:
    """Fisher information among the parameters of all atoms, (size n_atoms)², ordered atom by atom.

    The parameters of an atom are x, y, z [Å], and its intensity or factor where each has its own. Pixels count up to
    the edge of the tiles that the core of an atom touches (see `Renderer.information`).
    """
    layout, model = expansion.layout, expansion.model
    renderer = Renderer(expansion.centres, expansion.widths, expansion.field, model.dtype, GRAM_TILE, cache=False)
    n, size = layout.n_atoms, layout.block
    result = torch.zeros((size * n) ** 2, dtype=torch.float64, device=inverse_variance.device)
    seen = expansion.saturated(expansion.saturated(inverse_variance))
    tiles = renderer.tiling.split(expansion.embed(seen))
    per_tilt = renderer.tiling.grid[1] * renderer.tiling.grid[2]
    pixels = renderer.tiling.width**2
    for chunk in renderer.tiling.chunks:
        batch = max(1, GRAM_ELEMENTS // (size * pixels * chunk.sites.shape[1]))
        for begin in range(0, len(chunk.tiles), batch):
            part = Chunk(chunk.tiles[begin : begin + batch], chunk.sites[begin : begin + batch])
            tilt = torch.div(part.tiles, per_tilt, rounding_mode="floor")
            slopes = _slopes(expansion, renderer, part, tilt)[..., :size, :, :].reshape(len(part.tiles), -1, pixels)
            variance = tiles[part.tiles].reshape(-1, 1, pixels)
            gram = torch.bmm(slopes * variance, slopes.transpose(1, 2)).double()
            atom = torch.where(part.sites < renderer.tiling.n_sites, part.sites % n, 0)
            index = (atom[..., None] * size + torch.arange(size, device=atom.device)).reshape(len(atom), -1)
            result.index_add_(0, (index[:, :, None] * (size * n) + index[:, None, :]).reshape(-1), gram.reshape(-1))
    return result.reshape(size * n, size * n)


def _slopes(expansion: Expansion, renderer: Renderer, chunk: Chunk, tilt: Tensor) -> Tensor:
    """Derivative images (g, m, 4, width, width) of each atom of `chunk` by x, y, z [Å] and its intensity."""
    state, model = expansion.state, expansion.model
    by_x = by_y = plain = torch.zeros((), dtype=model.dtype, device=tilt.device)
    for ratio, weight in zip(state.ratios, state.weights, strict=True):
        blur = expansion.sigma * sqrt(ratio**2 - 1)
        p = renderer.profiles(chunk, blur)
        steep = weight / renderer.variances(chunk, blur)[..., None]
        plain = plain + weight * p.x[..., :, None] * p.y[..., None, :]
        by_x = by_x + (steep * p.offset_x * p.x)[..., :, None] * p.y[..., None, :]
        by_y = by_y + p.x[..., :, None] * (steep * p.offset_y * p.y)[..., None, :]
    amplitude = renderer.listed(expansion.amplitude)[chunk.sites][..., None, None]
    rows = expansion.rotations[:, :2] / model.pixel_size, -state.attenuation * expansion.rotations[:, 2:]
    turned = torch.cat(rows, 1).to(model.dtype)[tilt][..., None, None, None]
    moves = []
    for axis in range(3):
        move = turned[:, 0, axis] * by_x + turned[:, 1, axis] * by_y
        moves.append(amplitude * (move + turned[:, 2, axis] * plain if state.attenuation else move))
    own = renderer.listed(expansion.gain * expansion.own)[chunk.sites][..., None, None]
    moves.append(own * plain)
    return torch.stack(moves, 2)


def _explained(expansion: Expansion, inverse_variance: Tensor, prior_precision: Tensor) -> Tensor:
    """Information that the shared parameters take from the atoms: F_as F_ss⁻¹ F_sa."""
    layout = expansion.layout
    n, size = layout.n_atoms, layout.block
    slopes = SharedSlopes.of(expansion)
    first = layout.n_parameters - slopes.n_parameters
    shared = slopes.information(inverse_variance) + torch.diag(prior_precision[first:])
    cross = torch.zeros(slopes.n_parameters, n, 4, dtype=torch.float64, device=shared.device)
    for images, place in zip(slopes.images, slopes.places, strict=True):
        by_centre, by_amplitude, _ = expansion.pull(images * inverse_variance)
        moves = expansion.by_position(by_centre, by_amplitude)
        own = expansion.own * expansion.gain * by_amplitude
        cross.index_add_(0, place, torch.cat([moves, own[..., None]], 2))
    rows = cross[..., :size].reshape(slopes.n_parameters, -1)
    return rows.T @ symmetric_inverse(shared) @ rows if len(rows) else rows.T @ rows
