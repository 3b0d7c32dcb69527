"""How much wider error bars must be where the model errs: an estimate from the scatter of the images' pulls.

Each image pulls an atom by the score g_t of its position; at the fit the pulls add to zero. Under Poisson noise alone
Σ g_t g_tᵀ is the Fisher information F. Where an image shows the atom off its place (one phonon configuration, drift, a
wrong angle) or a channelling neighbour pulls on it, all pixels of that image err together and the pulls scatter more,
although each pixel still agrees with the model to within its noise: the reduced χ² of pixels does not see it. The
covariance of the estimate is then F⁻¹ (Σ g_t g_tᵀ) F⁻¹ (Huber 1967; White, Econometrica 50, 1, 1982), and

    κ = tr(F⁻¹ Σ g_t g_tᵀ) / 3 (1 − 3 / 2n)

is how much wider it is than F⁻¹; the last factor is for three coordinates fitted to the 2n numbers of n images. Errors
that are the same in every image remain unseen.

A weak atom errs by more than the Cramér-Rao bound even when the model is right, since the likelihood is no parabola
over the width of its error. The next order of the expansion (Barndorff-Nielsen and Cox, Inference and Asymptotics,
1994) goes with the inverse square of the signal d, the intensity of an atom in standard deviations: variance 1 + c / d²
in units of the bound, with c measured on simulated series.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.core import AtomicModel
from pann.fitting.existence.evidence import information_of_intensities
from pann.fitting.existence.scene import Scene
from pann.fitting.newton import symmetric_inverse

NEIGHBOURHOOD = 6.0
"""κ of one atom is good to some 20 %: it is averaged over the atoms within this distance [Å]."""

SECOND_ORDER = 8.0
"""The c above, of linear series (`scripts/calibrate_errors.py`)."""
WEAKEST = 2.0
"""Signal below which the expansion means nothing and the widening stays as it is there."""


def weakness_inflation(scene: Scene, model: AtomicModel) -> NDArray[np.float64]:
    """Factor (n_atoms,) by which the covariance of weak atoms exceeds the bound; arguments as in `score_inflation`."""
    given = np.asarray(model.intensities)
    return np.asarray(1 + SECOND_ORDER / np.maximum(given**2 * information_of_intensities(scene, model), WEAKEST**2))


def score_inflation(scene: Scene, model: AtomicModel) -> NDArray[np.float64]:
    """κ of every atom, (n_atoms,): the factor by which model errors widen its covariance; 1 for noise alone.

    Parameters
    ----------
    scene : of the fit that `model` comes from.
    model : fitted positions [Å] and the intensities of the fit [image units].
    """
    if scene.series.n_tilts < 3:
        return np.ones(len(model))
    expansion = scene.expand(model)
    by_centre, by_amplitude, _ = expansion.pull(scene.score)
    pulls = expansion.by_position(by_centre, by_amplitude)
    inverse = symmetric_inverse(expansion.information(scene.inverse_variance)[:, :3, :3])
    squares = torch.einsum("tni,nij,tnj->n", pulls, inverse, pulls).cpu().numpy()
    own = squares / (3 * (1 - 3 / (2 * scene.series.n_tilts)))
    near = cKDTree(model.positions).query_ball_point(model.positions, NEIGHBOURHOOD)
    return np.array([own[atoms].mean() for atoms in near])
