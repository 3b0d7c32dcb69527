"""A reconstructed density on a cubic grid."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import frozen, require_finite, require_positive
from pann.core.errors import InputError
from pann.core.geometry import index_to_position, position_to_index


@dataclass(frozen=True, eq=False, init=False)
class Volume:
    """A density, immutable and validated; position zero is the voxel n // 2 of every axis.

    Attributes
    ----------
    values : (nx, ny, nz) float32. Reconstructions hold image units per voxel: the sum over the voxels along the beam
        is the expected image value (before the PSF and the background).
    voxel_size : [Å].
    name : what the volume is called in reports.
    metadata : free provenance, plain values only.
    """

    values: NDArray[np.float32]
    voxel_size: float
    name: str = "volume"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __init__(
        self, values: ArrayLike, voxel_size: float, name: str = "volume", metadata: dict[str, Any] | None = None
    ) -> None:
        array = frozen(values, np.float32)
        if array.ndim != 3 or 0 in array.shape:
            raise InputError(f"{name}: values have shape {array.shape}: expected (nx, ny, nz)")
        require_positive(f"{name}: voxel_size", voxel_size, "Å")
        require_finite(name, array)
        object.__setattr__(self, "values", array)
        object.__setattr__(self, "voxel_size", float(voxel_size))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "metadata", dict(metadata or {}))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nx, ny, nz)."""
        nx, ny, nz = self.values.shape
        return nx, ny, nz

    def positions(self, index: ArrayLike) -> NDArray[np.float64]:
        """Positions [Å] of fractional voxel indices (..., 3)."""
        return index_to_position(index, self.shape, self.voxel_size)

    def indices(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel indices of `positions` (..., 3) [Å]."""
        return position_to_index(positions, self.shape, self.voxel_size)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)
