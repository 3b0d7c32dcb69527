"""What a tier of the microscope is asked for: the views of a particle, one for each image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import frozen, require_finite, require_positive
from pann.core.atomic_model import AtomicModel
from pann.core.elements import UNKNOWN
from pann.core.errors import InputError
from pann.core.geometry import as_euler_angles, rotation_matrices


@dataclass(frozen=True, eq=False, init=False)
class Views:
    """Orientations, focus and state of a particle in every image of a series; immutable and validated.

    Attributes
    ----------
    angles : (n, 3) Euler angles (phi, theta, psi) [deg]; (n,) is taken as theta.
    image_shape : (nx, ny) pixels.
    pixel_size : [Å].
    defocus : (n,) [Å], height of the focal plane above the rotation centre, along the beam; None is zero everywhere.
    displacements : (n, n_atoms, 3) [Å] in the frame of the model, of atoms that move during the series, or None.
    present : (n, n_atoms) bool, false for atoms that have vanished, or None.
    """

    angles: NDArray[np.float64]
    image_shape: tuple[int, int]
    pixel_size: float
    defocus: NDArray[np.float64] | None = None
    displacements: NDArray[np.float64] | None = None
    present: NDArray[np.bool_] | None = None

    def __init__(
        self,
        angles: ArrayLike,
        image_shape: tuple[int, int],
        pixel_size: float,
        defocus: ArrayLike | None = None,
        displacements: ArrayLike | None = None,
        present: ArrayLike | None = None,
    ) -> None:
        given = {"defocus": defocus, "displacements": displacements, "present": present}
        object.__setattr__(self, "angles", frozen(as_euler_angles(angles), np.float64))
        object.__setattr__(self, "image_shape", tuple(int(n) for n in image_shape))
        object.__setattr__(self, "pixel_size", float(pixel_size))
        for key, value in given.items():
            dtype = np.bool_ if key == "present" else np.float64
            object.__setattr__(self, key, None if value is None else frozen(value, dtype))
        self.__post_init__()

    def __post_init__(self) -> None:
        require_finite("views: angles", self.angles)
        require_positive("views: pixel_size", self.pixel_size, "Å")
        if len(self.angles) == 0:
            raise InputError("views: no angle is given: at least one image is needed")
        if len(self.image_shape) != 2 or min(self.image_shape) < 1:
            raise InputError(f"views: image_shape is {self.image_shape}: expected (nx, ny) pixels")
        n = len(self.angles)
        if self.defocus is not None and self.defocus.shape != (n,):
            raise InputError(f"views: defocus has shape {self.defocus.shape}: expected ({n},), one for each image")
        moves = self.displacements
        if moves is not None and (moves.ndim != 3 or moves.shape[0] != n or moves.shape[2] != 3):
            raise InputError(f"views: displacements have shape {moves.shape}: expected ({n}, n_atoms, 3)")
        if self.present is not None and (self.present.ndim != 2 or self.present.shape[0] != n):
            raise InputError(f"views: present has shape {self.present.shape}: expected ({n}, n_atoms)")
        for key in ("defocus", "displacements"):
            if getattr(self, key) is not None:
                require_finite(f"views: {key}", getattr(self, key))

    def __len__(self) -> int:
        return len(self.angles)

    @property
    def extent(self) -> tuple[float, float]:
        """Edges of the images [Å]."""
        return self.image_shape[0] * self.pixel_size, self.image_shape[1] * self.pixel_size

    def focus(self, index: int) -> float:
        """Height of the focal plane of image `index` above the rotation centre [Å]."""
        return 0.0 if self.defocus is None else float(self.defocus[index])

    def only(self, index: int) -> "Views":
        """View number `index` alone."""
        if not 0 <= index < len(self):
            raise InputError(f"views: there is no image {index}: they are numbered 0 to {len(self) - 1}")
        rows = slice(index, index + 1)
        parts = (None if part is None else part[rows] for part in (self.defocus, self.displacements, self.present))
        return Views(self.angles[rows], self.image_shape, self.pixel_size, *parts)

    def require_fit(self, model: AtomicModel) -> None:
        """Raise InputError unless `model` has atoms, all of known element, as many as these views describe."""
        if len(model) == 0 or np.any(model.numbers == UNKNOWN):
            raise InputError(f"{model.name}: a simulation needs at least one atom, and the element of every atom")
        for key in ("displacements", "present"):
            array = getattr(self, key)
            if array is not None and array.shape[1] != len(model):
                raise InputError(f"{model.name} has {len(model)} atoms but views.{key} describe {array.shape[1]}")

    def atoms(self, model: AtomicModel) -> NDArray[np.float64]:
        """Positions (n, n_atoms, 3) [Å] of every atom of `model` in every image, before rotation."""
        points = np.broadcast_to(model.positions, (len(self), len(model), 3))
        return points if self.displacements is None else points + self.displacements

    def rotated(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """`points` (n, n_atoms, 3) turned into the frame of each image: the beam runs along the last axis."""
        return np.einsum("tij,tnj->tni", rotation_matrices(self.angles), points)
