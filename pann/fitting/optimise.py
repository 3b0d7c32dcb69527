"""Minimising the deviance by damped Gauss-Newton steps, to a gradient that is small against the noise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, sqrt

import torch
from torch import Tensor

from pann.core.progress import progress_bar
from pann.fitting.guards import Guard
from pann.fitting.image_model import Expansion, ImageModel
from pann.fitting.likelihood import GaussianNoise, Noise
from pann.fitting.newton import Constraint, Preconditioner, conjugate_gradients
from pann.fitting.parameters import State

FORCING = 0.1
"""Relative accuracy of each Gauss-Newton step: tighter costs products, looser costs steps."""
MAX_PRODUCTS = 25
DAMPING = (1e-3, 1e-6, 1e4)
"""Levenberg-Marquardt damping in units of the preconditioner: first, least and most."""


@dataclass(frozen=True)
class HaloPrior:
    """What is known of the halo before the fit (Gaussian in the weight and in the logarithm of the ratio).

    A faint halo and the background are one and the same to a noisy series; this keeps them apart there and is
    overruled by a bright one.
    """

    weight: float = 0.18
    weight_sd: float = 0.1
    ratio: float = 3.0
    ratio_sd: float = 0.15


@dataclass(frozen=True)
class Problem:
    """What is minimised: half the deviance of `images` plus half the squared normalised offsets from the prior."""

    model: ImageModel
    images: Tensor
    noise: Noise
    prior: HaloPrior | None = None
    factor_sd: float | None = None
    """Standard deviation of the factor of an atom about 1, where factors are free."""

    def prior_terms(self, state: State) -> tuple[Tensor, Tensor]:
        """Precision and offset of every free parameter from the prior, (n_parameters,) each."""
        layout = self.model.layout
        precision = torch.zeros(layout.n_parameters, dtype=torch.float64, device=self.images.device)
        offset = torch.zeros_like(precision)
        precisions, offsets = layout.split(precision), layout.split(offset)
        if layout.factors and self.factor_sd is not None:
            precisions["factor"] += self.factor_sd**-2
            offsets["factor"] += 0 if state.factor is None else state.factor - 1
        if self.prior is not None:
            if layout.halo_weight:
                precisions["halo_weight"] += self.prior.weight_sd**-2
                offsets["halo_weight"] += state.weights[1] - self.prior.weight
            if layout.halo_ratio:
                precisions["halo_ratio"] += self.prior.ratio_sd**-2
                offsets["halo_ratio"] += log(state.ratios[1] / self.prior.ratio)
        return precision, offset

    def objective(self, expansion: Expansion) -> float:
        """Half the deviance plus the penalty."""
        precision, offset = self.prior_terms(expansion.state)
        return 0.5 * (self.noise.deviance(self.images, expansion.images) + float((precision * offset**2).sum()))


@dataclass(frozen=True)
class Minimum:
    """Where the minimiser stopped.

    Attributes
    ----------
    expansion : the image model at the final state.
    problem : with the final estimate of the noise.
    objective : half the deviance plus the penalty.
    gradient_norm : root mean square of the remaining step in standard errors, √(gᵀ M⁻¹ g / n).
    iterations : Gauss-Newton steps taken.
    converged : whether the gradient norm fell below the tolerance.
    seen : (n_atoms,) whether any image shows the atom.
    """

    expansion: Expansion
    problem: Problem
    objective: float
    gradient_norm: float
    iterations: int
    converged: bool
    seen: Tensor

    @property
    def state(self) -> State:
        """The fitted parameters."""
        return self.expansion.state


def minimise(
    problem: Problem,
    state: State,
    guard: Guard,
    tolerance: float,
    max_iterations: int,
    label: str = "fit",
    progress: bool = True,
    on_step: Callable[[int, float, float], None] | None = None,
) -> Minimum:
    """Minimise from `state`.

    Parameters
    ----------
    guard : limits of the parameters.
    tolerance : stop when √(gᵀ M⁻¹ g / n), the remaining step per parameter in units of its standard error, is below.
    max_iterations : most Gauss-Newton steps.
    label : name of the progress bar.
    on_step : called with iteration, objective and gradient norm before each step.
    """
    model, layout = problem.model, problem.model.layout
    expansion = model.at(state)
    value, damping, norm, converged, iteration = problem.objective(expansion), DAMPING[0], float("inf"), False, 0
    seen = torch.ones(layout.n_atoms, dtype=torch.bool, device=problem.images.device)
    with progress_bar(label, max_iterations, progress) as bar:
        while True:
            precision, offset = problem.prior_terms(expansion.state)
            weights = problem.noise.inverse_variance(expansion.images)
            gradient = expansion.vjp(problem.noise.residual(problem.images, expansion.images)) + precision * offset
            preconditioner = Preconditioner(expansion, weights, precision)
            seen = preconditioner.atoms[:, :3, :3].diagonal(dim1=1, dim2=2).amax(1) > 0
            constraint = Constraint(layout, expansion.rotations, guard.free(layout, expansion.state, gradient, seen))
            slope = constraint(gradient)
            norm = sqrt(max(float(slope @ preconditioner.solve(slope)), 0.0) / max(float(constraint.free.sum()), 1.0))
            if on_step is not None:
                on_step(iteration, value, norm)
            converged = norm <= tolerance
            if converged or iteration >= max_iterations:
                break
            step = conjugate_gradients(
                expansion, weights, gradient, preconditioner, precision, constraint, damping, FORCING, MAX_PRODUCTS
            )
            trial = model.at(guard.confine(expansion.state, layout.move(expansion.state, guard.shorten(layout, step))))
            trial_value = problem.objective(trial)
            while not trial_value < value and damping < DAMPING[2]:
                damping = max(10 * damping, 0.1)
                shorter = guard.shorten(layout, step / (1 + damping))
                trial = model.at(guard.confine(expansion.state, layout.move(expansion.state, shorter)))
                trial_value = problem.objective(trial)
            if not trial_value < value:
                break
            damping = max(damping / 10, DAMPING[1])
            guard.learn(trial.state.positions - expansion.state.positions)
            expansion, value, iteration = trial, trial_value, iteration + 1
            if isinstance(problem.noise, GaussianNoise):
                noise = GaussianNoise.estimate(problem.images, expansion.images, layout.n_parameters)
                problem = replace(problem, noise=noise)
                value = problem.objective(expansion)
            bar.advance(1, f"{_fit_quality(problem, value)}, gradient {norm:.2g} σ")
    return Minimum(expansion, problem, value, norm, iteration, converged, seen)


def _fit_quality(problem: Problem, value: float) -> str:
    if isinstance(problem.noise, GaussianNoise):
        return f"residual {problem.noise.sigma:.5g}"
    return f"deviance per pixel {2 * value / problem.images.numel():.5g}"
