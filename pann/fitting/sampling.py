"""Covariance of the atoms of a large model, from draws of the fit's own noise.

With white noise n in every pixel, w = Jᵀ W^½ n has covariance F = Jᵀ W J, and the solution of F x = w has covariance
F⁻¹: draws from the error of a fit, whatever overlaps and whatever else is free (perturb and optimise: Papandreou and
Yuille, NIPS 23, 1858, 2010). Counting draws alone would be noisy, but most of x is known beforehand: the block
solution x̂ᵢ = Fᵢᵢ⁻¹ wᵢ of each atom has covariance Fᵢᵢ⁻¹ exactly, and since E[x wᵀ] = F⁻¹ F is the identity, x − x̂ is
uncorrelated with it. Hence

    (F⁻¹)ᵢᵢ = Fᵢᵢ⁻¹ + cov(xᵢ − x̂ᵢ),

and only the last term, what neighbours and shared parameters add, is estimated. It is never negative, so that the
result is a covariance, and it is small: a few draws leave error bars good to about a percent.
"""

import torch
from torch import Tensor

from pann.core.random import generator
from pann.fitting.expansion import Expansion
from pann.fitting.newton import Constraint, Preconditioner, conjugate_gradients
from pann.fitting.turns import rigid_motions

DRAWS = 8
DRAW_SEED = 20240607
ACCURACY = 0.03
"""Relative residual of each solve."""
MOST_PRODUCTS = 60
POOLED_DRAWS = 4.0
"""Weight, in draws, of what atoms gain on average: the excess of one atom from its own draws alone is noisy."""


def sampled_excess(
    expansion: Expansion, inverse_variance: Tensor, prior_precision: Tensor, alone: Tensor, draws: int = DRAWS
) -> Tensor:
    """What the other parameters add to the covariance of every atom, (n_atoms, 3, 3) [Å²].

    Parameters
    ----------
    inverse_variance : (n_tilts, nx, ny) of the pixels.
    prior_precision : (n_parameters,) of the free parameters.
    alone : (n_atoms, 3, 3) [Å²] covariance of each atom with all else held.
    draws : random series that are solved for.
    """
    layout, n = expansion.layout, expansion.layout.n_atoms
    random = generator(DRAW_SEED, "draws")
    preconditioner = Preconditioner(expansion, inverse_variance, prior_precision)
    everything = Constraint(layout, expansion.rotations, torch.ones_like(prior_precision))
    preconditioner.hold(everything)
    motions = rigid_motions(expansion.state.positions, layout.shifts, layout.turns)
    spread = inverse_variance.sqrt()
    excess = torch.zeros_like(alone)
    for _ in range(draws):
        white = torch.as_tensor(random.standard_normal(inverse_variance.shape, dtype="float32"), device=spread.device)
        offsets = torch.as_tensor(random.standard_normal(layout.n_parameters), device=spread.device)
        drawn = expansion.vjp(spread * white) + prior_precision.sqrt() * offsets
        solved = conjugate_gradients(
            expansion,
            inverse_variance,
            -drawn,
            preconditioner,
            prior_precision,
            everything,
            0.0,
            ACCURACY,
            MOST_PRODUCTS,
        )
        missed = (solved - preconditioner.solve(drawn))[: 3 * n]
        missed = (missed - motions @ (motions.T @ missed)).reshape(n, 3)
        excess += missed[:, :, None] * missed[:, None, :] / draws
    return _pool(excess, alone, draws)


def _pool(excess: Tensor, alone: Tensor, draws: int) -> Tensor:
    """`excess` drawn towards its mean over the atoms, both in units of the covariance of an atom `alone`."""
    root = torch.linalg.cholesky(alone)
    whitened = torch.linalg.solve_triangular(root, excess, upper=False)
    whitened = torch.linalg.solve_triangular(root, whitened.transpose(1, 2), upper=False)
    pooled = (draws * whitened + POOLED_DRAWS * whitened.mean(0)) / (draws + POOLED_DRAWS)
    return root @ pooled @ root.transpose(1, 2)
