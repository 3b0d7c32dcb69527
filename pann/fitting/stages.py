"""The order in which parameters are set free, and whether the PSF needs a halo."""

from dataclasses import dataclass, replace
from math import log

from torch import Tensor

from pann.core import PointSpread
from pann.fitting.guards import Guard
from pann.fitting.image_model import ImageModel
from pann.fitting.likelihood import GaussianNoise, Noise
from pann.fitting.optimise import Minimum, Problem, minimise
from pann.fitting.parameters import Layout, State
from pann.fitting.priors import HaloPrior, Priors

ROUGH = 0.3
"""Gradient norm, in standard errors, to which positions are taken before a halo is tried."""
HALO_PARAMETERS = 2
"""A halo adds its weight and its ratio."""


@dataclass(frozen=True)
class Stage:
    """Series and limits that all stages of one fit share."""

    images: Tensor
    rotations: Tensor
    pixel_size: float
    extra: Tensor | None
    noise: Noise
    guard: Guard
    max_iterations: int
    progress: bool
    priors: Priors

    def model(self, layout: Layout) -> ImageModel:
        """The image model with the parameters that `layout` sets free."""
        shape = (self.images.shape[1], self.images.shape[2])
        return ImageModel(self.rotations, shape, self.pixel_size, layout, self.extra)

    def run(self, layout: Layout, state: State, halo: HaloPrior | None, tolerance: float, label: str) -> Minimum:
        """Minimise over the parameters that `layout` sets free; `halo` is the prior of the halo, None without one."""
        model, noise = self.model(layout), self.noise
        if isinstance(noise, GaussianNoise):
            noise = GaussianNoise.estimate(self.images, model.at(state).images, layout.n_parameters)
        problem = Problem(model, self.images, noise, replace(self.priors, halo=halo))
        return minimise(problem, state, self.guard, tolerance, self.max_iterations, label, self.progress)


@dataclass(frozen=True)
class HaloTest:
    """Outcome of the test for a halo.

    Attributes
    ----------
    gain : fall of the deviance, prior included, when the halo is added.
    needed : fall that the Bayesian information criterion demands, 2 log(number of pixels).
    """

    gain: float
    needed: float

    @property
    def passed(self) -> bool:
        """Whether the halo stays."""
        return self.gain > self.needed


def fit_with_halo(
    stage: Stage, layout: Layout, state: State, prior: HaloPrior, tolerance: float
) -> tuple[Minimum, HaloTest]:
    """Fit one Gaussian, then a core with a halo, and keep the halo where the data ask for it.

    The rule is the Bayesian information criterion (Schwarz, Ann. Stat. 6, 461, 1978): two more parameters must
    lower the deviance by 2 log(n) for n pixels. Both fits end at the same gradient norm, from the same positions.
    """
    plain = stage.run(layout, state, None, ROUGH, "fit: one Gaussian")
    needed = HALO_PARAMETERS * log(stage.images.numel())
    psf = PointSpread.core_and_halo(0.95 * plain.state.sigma, prior.weight, prior.ratio)
    haloed = replace(layout, halo_weight=True, halo_ratio=True)
    free = stage.run(haloed, plain.state.with_psf(psf), prior, ROUGH, "fit: core and halo")
    gain = _deviance_fall(plain, free)
    if gain > needed and free.state.weights[1] > 0:
        # the second fit has moved the atoms on: the first has a claim to the same positions
        single = PointSpread((plain.state.sigma,))
        plain = stage.run(layout, free.state.with_psf(single), None, ROUGH, "fit: one Gaussian")
        gain = min(gain, _deviance_fall(plain, free))
    test = HaloTest(gain if free.state.weights[1] > 0 else 0.0, needed)
    if test.passed:
        return stage.run(haloed, free.state, prior, tolerance, "fit: positions"), test
    return stage.run(layout, plain.state, None, tolerance, "fit: positions"), test


def _deviance_fall(plain: Minimum, free: Minimum) -> float:
    """Fall of twice the objective; with Gaussian noise, of n log(variance)."""
    before, after = plain.problem.noise, free.problem.noise
    if isinstance(before, GaussianNoise) and isinstance(after, GaussianNoise):
        return 2 * plain.problem.images.numel() * log(before.sigma / after.sigma)
    return 2 * (plain.problem.misfit(plain.expansion) - free.problem.misfit(free.expansion))
