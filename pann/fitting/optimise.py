"""Minimising the deviance by damped Gauss-Newton steps, to a gradient that is small against the noise."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, sqrt

import torch
from torch import Tensor

from pann.core.progress import progress_bar
from pann.fitting.expansion import Expansion
from pann.fitting.guards import Guard
from pann.fitting.image_model import ImageModel
from pann.fitting.likelihood import GaussianNoise, Noise
from pann.fitting.newton import Constraint, Preconditioner, conjugate_gradients
from pann.fitting.parameters import State
from pann.fitting.priors import Priors

FORCING, FAR_FORCING, FAR = 0.1, 0.3, 3.0
"""Relative accuracy of each Gauss-Newton step: tighter costs products, looser costs steps. While the gradient norm is
more than `FAR`, the quadratic model itself is no better than `FAR_FORCING`: half the products, no more steps."""
MAX_PRODUCTS = 25
START_ERROR = 0.5
"""What is known of a position before any image is looked at [Å]: an error of the tracing that the fit should mend."""
DAMPING = (1e-3, 1e-6, 1e4)
"""Levenberg-Marquardt damping in units of the preconditioner: first, least and most."""


@dataclass(frozen=True)
class Problem:
    """What is minimised: half the deviance of `images` plus half the squared normalised offsets from the priors."""

    model: ImageModel
    images: Tensor
    noise: Noise
    priors: Priors
    freedom: float = 0.0
    """Coordinates of atoms that are fitted to the images; see `width_freedom`."""

    def prior_terms(self, state: State) -> tuple[Tensor, Tensor]:
        """Precision and offset of every free parameter from the priors, (n_parameters,) each."""
        return self.priors.terms(self.model.layout, state)

    @property
    def corrects_width(self) -> bool:
        """Whether the width of the PSF is fitted without the bias that positions fitted beside it give it."""
        return self.priors.unbiased_width and self.model.layout.width

    def objective(self, expansion: Expansion) -> float:
        """What is minimised: `misfit`, and what makes the width unbiased."""
        return self.misfit(expansion) - self.freedom * log(expansion.state.sigma)

    def misfit(self, expansion: Expansion) -> float:
        """Half the deviance plus the penalty."""
        precision, offset = self.prior_terms(expansion.state)
        return 0.5 * (self.noise.deviance(self.images, expansion.images) + float((precision * offset**2).sum()))


def width_freedom(blocks: Tensor, known: Tensor) -> float:
    """Coordinates that the images, and not what is known before, decide: Σ tr F (F + P)⁻¹.

    A width that is fitted together with positions is too narrow: every atom sits at the mean of its own electrons,
    about which they scatter less than about the truth, as if n coordinates of 2 N electrons were missing (Neyman and
    Scott, Econometrica 16, 1, 1948). With positions integrated out instead, the likelihood of the width has the factor
    det(F + P)^(-1/2) (Laplace; Cox and Reid, J. R. Stat. Soc. B 49, 1, 1987), where F of positions falls as σ⁻². Half
    the logarithm of the determinant thus falls with log σ at the rate returned here, and is taken as linear in it.

    Parameters
    ----------
    blocks : (n_atoms, 3, 3) information F of the positions of each atom [1/Å²].
    known : (n_atoms, 3) precision of their prior.
    """
    prior = torch.diag_embed(known + START_ERROR**-2)
    return float(torch.linalg.solve(blocks + prior, blocks).diagonal(dim1=1, dim2=2).sum())


@dataclass(frozen=True)
class Minimum:
    """Where the minimiser stopped.

    Attributes
    ----------
    expansion : the image model at the final state.
    problem : with the final estimate of the noise.
    objective : half the deviance plus the penalty.
    gradient_norm : root mean square of the remaining step in standard errors, √(gᵀ M⁻¹ g / n), over the parameters of
        atoms or over those that atoms share, whichever is more: a few shared ones must not hide among many atoms.
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
    tolerance : stop when the gradient norm of `Minimum` is below.
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
            known = layout.split(precision)["positions"]
            told = preconditioner.atoms[:, :3, :3] - torch.diag_embed(known)
            seen = told.diagonal(dim1=1, dim2=2).amax(1) > 0
            if problem.corrects_width:
                problem = replace(problem, freedom=width_freedom(told, known))
                value = problem.objective(expansion)
                layout.split(gradient)["width"] -= problem.freedom
            constraint = Constraint(layout, expansion.rotations, guard.free(layout, expansion.state, gradient, seen))
            preconditioner.hold(constraint)
            slope = constraint(gradient)
            norm = _remaining(slope * preconditioner.solve(slope), constraint.free, preconditioner.first_shared)
            if on_step is not None:
                on_step(iteration, value, norm)
            converged = norm <= tolerance
            if converged or iteration >= max_iterations:
                break
            forcing = FAR_FORCING if norm > FAR else FORCING
            step = conjugate_gradients(
                expansion, weights, gradient, preconditioner, precision, constraint, damping, forcing, MAX_PRODUCTS
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


def _remaining(squares: Tensor, free: Tensor, first_shared: int) -> float:
    """Gradient norm from the `squares` of the remaining steps in standard errors (n_parameters,), of those `free`."""
    groups = slice(None, first_shared), slice(first_shared, None)
    means = [float(squares[group].sum()) / max(float(free[group].sum()), 1.0) for group in groups]
    return sqrt(max(*means, 0.0))


def _fit_quality(problem: Problem, value: float) -> str:
    if isinstance(problem.noise, GaussianNoise):
        return f"residual {problem.noise.sigma:.5g}"
    return f"deviance per pixel {2 * value / problem.images.numel():.5g}"
