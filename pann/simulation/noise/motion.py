"""Changes of the particle during the series: it turns, atoms of its surface move, others vanish."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pann.core.options import Range
from pann.simulation.noise.effect import NONE, Effect, Limits, Scene, Values, pick


@dataclass(frozen=True, kw_only=True)
class ParticleRotation(Effect):
    """The particle turns about a random axis through its middle, at constant speed.

    Attributes
    ----------
    total : angle from the first to the last image [deg]; the model is its state halfway.
    """

    key: ClassVar[str] = "particle_rotation"
    total: Annotated[Range, Limits(most=180)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`particle_rotation` (n_tilts, 3): rotation vectors [deg]."""
        axis = rng.normal(size=3)
        vector = pick(rng, self.total) * axis / np.linalg.norm(axis)
        return {"particle_rotation": (scene.progress - 0.5 * (scene.n_tilts > 1))[:, None] * vector}


@dataclass(frozen=True, kw_only=True)
class MovingAtoms(Effect):
    """Atoms of the surface jump once, outwards, and stay there.

    Attributes
    ----------
    share : of the atoms of the surface.
    distance : of a jump [Å].
    """

    key: ClassVar[str] = "moving_atoms"
    share: Annotated[Range, Limits(most=1)] = NONE
    distance: Annotated[Range, Limits(most=10)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`moved_atoms` (k,) indices, `moved_by` (k, 3) [Å], `moved_from` (k,) the first image after the jump."""
        outer, outward = scene.surface
        chosen = _some(outer, pick(rng, self.share) * len(outer), scene, rng)
        direction = rng.normal(size=(len(chosen), 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        direction *= np.where((direction * outward[chosen]).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        return {
            "moved_atoms": chosen,
            "moved_by": direction * rng.uniform(*self.distance, size=(len(chosen), 1)),
            "moved_from": _first_images(len(chosen), scene, rng),
        }


@dataclass(frozen=True, kw_only=True)
class VanishingAtoms(Effect):
    """Atoms of the surface leave during the series.

    Attributes
    ----------
    share : of all atoms.
    """

    key: ClassVar[str] = "vanishing_atoms"
    share: Annotated[Range, Limits(most=1)] = NONE

    def draw(self, rng: np.random.Generator, scene: Scene) -> Values:
        """`vanished_atoms` (k,) indices, `vanished_from` (k,) the first image without the atom."""
        outer, _ = scene.surface
        at_most = min(pick(rng, self.share) * len(scene.model), len(scene.model) - 1.0)
        chosen = _some(outer, at_most, scene, rng)
        return {"vanished_atoms": chosen, "vanished_from": _first_images(len(chosen), scene, rng)}


def _some(atoms: NDArray[np.int64], expected: float, scene: Scene, rng: np.random.Generator) -> NDArray[np.int64]:
    """About `expected` of the `atoms`, in order; none where there is a single image."""
    count = min(int(expected + rng.random()), len(atoms)) if scene.n_tilts > 1 else 0
    return np.sort(rng.choice(atoms, size=count, replace=False))


def _first_images(n: int, scene: Scene, rng: np.random.Generator) -> NDArray[np.int64]:
    """Image (n,) from which on a change is seen: any but the first."""
    return rng.integers(1, max(scene.n_tilts, 2), size=n)


def displacements(values: Values, positions: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """How far each atom is from its place in the model, (n_tilts, n_atoms, 3) [Å]; None where none ever moves."""
    turns, moved = values["particle_rotation"], values["moved_atoms"]
    if not np.any(turns) and not len(moved):
        return None
    middle = positions.mean(axis=0)
    matrices = Rotation.from_rotvec(turns, degrees=True).as_matrix()
    jumped = np.repeat(positions[None] - middle, len(turns), axis=0)
    after = np.arange(len(turns))[:, None] >= values["moved_from"]
    jumped[:, moved] += after[:, :, None] * values["moved_by"]
    return jumped @ matrices.swapaxes(1, 2) - (positions - middle)


def presence(values: Values, n_atoms: int) -> NDArray[np.bool_] | None:
    """Which atoms are there in which image, (n_tilts, n_atoms); None where all are there in all images."""
    gone = values["vanished_atoms"]
    if not len(gone):
        return None
    n_tilts = len(values["particle_rotation"])
    present = np.ones((n_tilts, n_atoms), dtype=bool)
    present[:, gone] = np.arange(n_tilts)[:, None] < values["vanished_from"]
    return present
