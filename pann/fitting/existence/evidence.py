"""What the images say for each atom: the likelihood ratio of the model with the atom to the model without it.

With all else as fitted the deviance D(a) as a function of the intensity a of one atom is exact (`profile`). When a
differs from the fitted value aⱼ, the neighbours move and regain (a − aⱼ)² c to first order, c = F_ap P⁻¹ F_pa, where P
is the information of their positions and F_ap that between these and the intensity. So

    T(a) = D(0) − D(a) − aⱼ² c + (a − aⱼ)² c

is twice the log-likelihood ratio of the atom with intensity a to no atom: T(H) with the intensity H of its element,
T_free = max T(a) with one of its own. By Wilks' theorem (Ann. Math. Stat. 9, 60, 1938) T_free is that of χ² with one
degree of freedom at a given position; √T_free is the Z of `pann.fitting.existence.threshold`. For few counts Z is far
from Gaussian where the linear score s / √F is not even close: D is the Poisson deviance itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from pann.core import AtomicModel
from pann.fitting.existence.profile import Patches, maximise, patches
from pann.fitting.existence.scene import Scene
from pann.fitting.fisher import atom_information

REACH = 4.0
"""Neighbours within this distance [Å] move; those beyond overlap with the atom in few images only."""
FREEDOM = 0.5
"""Standard deviation [Å] of a prior of those moves: further than that the linearised images mean nothing."""
BLOCK = 150
"""Atoms whose neighbourhoods are treated together."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Test statistics of every atom.

    Attributes
    ----------
    free : (n_atoms,) T_free, the atom with an intensity of its own against no atom.
    fixed : (n_atoms, n_elements) T(H), with the intensity of each element.
    intensity : (n_atoms,) what the images give this atom [image units].
    information : (n_atoms,) inverse variance of it, the neighbours' positions being free.
    """

    free: NDArray[np.float64]
    fixed: NDArray[np.float64]
    intensity: NDArray[np.float64]
    information: NDArray[np.float64]

    @property
    def level(self) -> NDArray[np.float64]:
        """√T_free: how far above noise the atom stands, in standard deviations."""
        return np.sqrt(np.maximum(self.free, 0.0))

    @property
    def best(self) -> NDArray[np.float64]:
        """T(H) of the likeliest element, (n_atoms,)."""
        return np.asarray(self.fixed.max(1))

    def select(self, atoms: NDArray[np.int64]) -> "Evidence":
        """The evidence of some atoms."""
        return Evidence(self.free[atoms], self.fixed[atoms], self.intensity[atoms], self.information[atoms])


def weigh_atoms(scene: Scene, model: AtomicModel, elements: Sequence[float]) -> Evidence:
    """Evidence for every atom of `model`.

    Parameters
    ----------
    model : fitted positions [Å] and intensities [image units] of all atoms in the images; a place where no atom was
        fitted may be asked about as an atom of zero intensity.
    elements : intensity of each element [image units].
    """
    n = len(model)
    regained = _regained(scene, model)
    free, intensity, information = np.zeros(n), np.zeros(n), np.zeros(n)
    fixed = np.zeros((n, len(elements)))
    given = torch.tensor(np.asarray(model.intensities), device=scene.expected.device)
    couplings = torch.tensor(regained, device=given.device)
    for part, patch in patches(scene, model):
        a, c = given[part], couplings[part]
        best = maximise(scene, patch, a, a, c)
        free[part] = (patch.gain(scene, best) + ((best - a) ** 2 - a**2) * c).cpu().numpy()
        for k, height in enumerate(elements):
            trial = torch.full_like(a, height)
            fixed[part, k] = (patch.gain(scene, trial) + ((trial - a) ** 2 - a**2) * c).cpu().numpy()
        intensity[part] = best.cpu().numpy()
        information[part] = _information(scene, patch, a, c).cpu().numpy()
    return Evidence(free, fixed, intensity, information)


def information_of_intensities(scene: Scene, model: AtomicModel) -> NDArray[np.float64]:
    """`Evidence.information` of every atom (n_atoms,), without the tests; arguments as in `weigh_atoms`."""
    regained = torch.tensor(_regained(scene, model), device=scene.expected.device)
    given = torch.tensor(np.asarray(model.intensities), device=scene.expected.device)
    parts = [_information(scene, patch, given[part], regained[part]) for part, patch in patches(scene, model)]
    return torch.cat(parts).cpu().numpy()


def _information(scene: Scene, patch: Patches, given: Tensor, regained: Tensor) -> Tensor:
    """Information (k,) on the intensity of atoms of intensity `given`, their neighbours being free."""
    _, curvature = patch.slopes(scene, given)
    return torch.maximum(curvature - regained, 1e-3 * curvature)


def _regained(scene: Scene, model: AtomicModel) -> NDArray[np.float64]:
    """The coupling c of every atom, (n_atoms,)."""
    result = np.zeros(len(model))
    tree = cKDTree(model.positions)
    weights = scene.inverse_variance
    for block in blocks_of(model.positions):
        near = np.unique(np.concatenate(tree.query_ball_point(model.positions[block], REACH)).astype(np.int64))
        near = np.concatenate([block, np.setdiff1d(near, block)])
        part = scene.expand(model.select(near))
        result[block] = _coupling(atom_information(part, weights).cpu().numpy(), len(near), len(block))
    return result


def _coupling(information: NDArray[np.float64], n: int, k: int) -> NDArray[np.float64]:
    """The coupling of the first `k` of `n` atoms from the information of all their parameters (4n, 4n)."""
    if n == 1:
        return np.zeros(1)
    table = information.reshape(n, 4, n, 4)
    positions = table[:, :3, :, :3].reshape(3 * n, 3 * n) + np.eye(3 * n) / FREEDOM**2
    cross = table[:, :3, :k, 3].reshape(3 * n, k)
    inverse = np.linalg.inv(positions)
    moves = inverse @ cross
    # an atom that is gone has no position of its own to move: its share is taken off again
    index = np.arange(k)
    mine = moves.reshape(n, 3, k)[index, :, index]
    block = inverse.reshape(n, 3, n, 3)[index, :, index, :]
    own = np.einsum("ki,ki->k", mine, np.linalg.solve(block, mine[..., None])[..., 0])
    return np.maximum((cross * moves).sum(0) - own, 0.0)


def blocks_of(positions: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Indices of neighbouring atoms, at most `BLOCK` each: the set is halved along its longest side."""
    parts, done = [np.arange(len(positions))], []
    while parts:
        part = parts.pop()
        if len(part) <= BLOCK:
            done.append(part)
            continue
        axis = np.ptp(positions[part], axis=0).argmax()
        order = part[np.argsort(positions[part, axis], kind="stable")]
        parts += [order[: len(order) // 2], order[len(order) // 2 :]]
    return done
