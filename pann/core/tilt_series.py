"""A tilt series: images, angles, calibration."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import frozen, require_finite, require_positive
from pann.core.errors import InputError
from pann.core.geometry import as_euler_angles, is_single_axis, rotation_matrices

NoiseKind = Literal["counts", "intensity"]
"""counts: electrons, Poisson noise. intensity: processed images in any unit, Gaussian noise."""


@dataclass(frozen=True, eq=False, init=False)
class TiltSeries:
    """Images of one object at many tilts, immutable and validated.

    Attributes
    ----------
    images : (n_tilts, nx, ny) float32, electrons per pixel when `kind` is "counts", else arbitrary units.
    angles : (n_tilts, 3) float64, Euler angles (phi, theta, psi) [deg]; (n_tilts,) is read as theta.
    pixel_size : [Å].
    kind : "counts" or "intensity", see `NoiseKind`.
    dose : [e/Å² per projection], None where unknown.
    name : what the series is called in reports.
    metadata : free provenance (source file, microscope), plain values only.

    Raises
    ------
    InputError : wrong shapes, NaN, negative counts, a constant stack, no pixel size.
    """

    images: NDArray[np.float32]
    angles: NDArray[np.float64]
    pixel_size: float
    kind: NoiseKind = "counts"
    dose: float | None = None
    name: str = "series"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        images: ArrayLike,
        angles: ArrayLike,
        pixel_size: float,
        kind: NoiseKind = "counts",
        dose: float | None = None,
        name: str = "series",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        stack = frozen(images, np.float32)
        euler = frozen(as_euler_angles(angles), np.float64)
        if stack.ndim != 3:
            raise InputError(f"{name}: images have shape {stack.shape}: expected (n_tilts, nx, ny)")
        if len(euler) != len(stack):
            raise InputError(f"{name}: {len(euler)} angles for {len(stack)} images: give one angle per image")
        if kind not in get_args(NoiseKind):
            raise InputError(f"{name}: kind is {kind!r}: expected one of {', '.join(get_args(NoiseKind))}")
        require_positive(f"{name}: pixel_size", pixel_size, "Å")
        if dose is not None:
            require_positive(f"{name}: dose", dose, "e/Å² per projection")
        require_finite(f"{name}: images", stack)
        require_finite(f"{name}: angles", euler)
        if float(stack.min()) == float(stack.max()):
            raise InputError(f"{name}: every pixel has the value {stack.flat[0]:g}: the stack holds no image")
        if kind == "counts" and float(stack.min()) < 0:
            raise InputError(
                f"{name}: {int((stack < 0).sum())} pixels hold negative counts (minimum {stack.min():g}); "
                "images that were denoised or background-subtracted need kind=intensity"
            )
        object.__setattr__(self, "images", stack)
        object.__setattr__(self, "angles", euler)
        object.__setattr__(self, "pixel_size", float(pixel_size))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "dose", None if dose is None else float(dose))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "metadata", dict(metadata or {}))

    @property
    def n_tilts(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(nx, ny) of one image."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def total_dose(self) -> float | None:
        """Dose of the whole series [e/Å²]."""
        return None if self.dose is None else self.dose * self.n_tilts

    @property
    def rotations(self) -> NDArray[np.float64]:
        """Rotation matrices R, (n_tilts, 3, 3); see `pann.core.geometry`."""
        return rotation_matrices(self.angles)

    @property
    def single_axis(self) -> bool:
        """Whether only theta differs from zero."""
        return is_single_axis(self.angles)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)
