"""A set of atoms: positions, elements, and how sure we are of both."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import frozen, require_finite
from pann.core.elements import UNKNOWN, symbols
from pann.core.errors import InputError


@dataclass(frozen=True, eq=False, init=False)
class AtomicModel:
    """Atoms, immutable and validated.

    Attributes
    ----------
    positions : (n, 3) float64 [Å], in the frame of the reconstruction (`pann.core.geometry`).
    numbers : (n,) int64 atomic numbers; 0 where the element is not known.
    probabilities : (n,) float64 in [0, 1], of the element named in `numbers`; None where nobody estimated them.
    covariance : (n, 3, 3) float64 [Å²] of each position; None where nobody estimated it.
    intensities : (n,) float64, integrated intensity of each atom in image units; None where not measured.
    name : what the model is called in reports.
    metadata : free provenance, plain values only.
    """

    positions: NDArray[np.float64]
    numbers: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None = None
    covariance: NDArray[np.float64] | None = None
    intensities: NDArray[np.float64] | None = None
    name: str = "model"
    metadata: dict[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        positions: ArrayLike,
        numbers: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        intensities: ArrayLike | None = None,
        name: str = "model",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        points = frozen(positions, np.float64)
        if points.size == 0:
            points = frozen(np.zeros((0, 3)), np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"{name}: positions have shape {points.shape}: expected (n_atoms, 3)")
        require_finite(f"{name}: positions", points)
        n = len(points)
        elements = frozen(np.full(n, UNKNOWN) if numbers is None else numbers, np.int64)
        arrays: dict[str, tuple[ArrayLike | None, tuple[int, ...]]] = {
            "probabilities": (probabilities, (n,)),
            "covariance": (covariance, (n, 3, 3)),
            "intensities": (intensities, (n,)),
        }
        if elements.shape != (n,):
            raise InputError(f"{name}: numbers have shape {elements.shape}: expected ({n},)")
        object.__setattr__(self, "positions", points)
        object.__setattr__(self, "numbers", elements)
        for key, (value, shape) in arrays.items():
            array = None if value is None else frozen(value, np.float64)
            if array is not None and array.shape != shape:
                raise InputError(f"{name}: {key} have shape {array.shape}: expected {shape}")
            object.__setattr__(self, key, array)
        chances = self.probabilities
        if chances is not None and n and not (chances.min() >= 0 and chances.max() <= 1 + 1e-9):
            raise InputError(f"{name}: probabilities must lie in [0, 1]")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "metadata", dict(metadata or {}))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def species(self) -> list[str]:
        """Chemical symbols, X where unknown."""
        return symbols(self.numbers)

    @property
    def sigma(self) -> NDArray[np.float64] | None:
        """Standard deviation of one coordinate [Å], (n,): the root of the mean of the three variances."""
        if self.covariance is None:
            return None
        return np.sqrt(np.trace(self.covariance, axis1=1, axis2=2) / 3)

    def composition(self) -> dict[str, int]:
        """Number of atoms by symbol, in order of atomic number."""
        numbers, counts = np.unique(self.numbers, return_counts=True)
        return {symbol: int(count) for symbol, count in zip(symbols(numbers), counts, strict=True)}

    def select(self, mask: ArrayLike) -> Self:
        """The atoms where `mask` (n,) is true, or those whose indices it lists, with all their arrays."""
        chosen = np.asarray(mask)
        if chosen.size == 0:
            chosen = chosen.astype(int)
        per_atom = ("positions", "numbers", "probabilities", "covariance", "intensities")
        values = {key: getattr(self, key) for key in per_atom}
        return self.replace(**{key: None if value is None else value[chosen] for key, value in values.items()})

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)
