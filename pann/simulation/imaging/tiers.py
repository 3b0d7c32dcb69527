"""The tiers of the microscope by name; all have the methods of `Tier`."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.elements import atomic_number
from pann.core.errors import ConfigError
from pann.core.options import refuse_unknown
from pann.simulation.imaging.linear import LinearTier
from pann.simulation.imaging.multislice import MultisliceTier
from pann.simulation.imaging.prism import PrismTier
from pann.simulation.imaging.views import Views
from pann.simulation.imaging.windowed import WindowedTier
from pann.simulation.microscope import Microscope


class Tier(Protocol):
    """From a particle, its views and a microscope to the noise-free expected fractions."""

    def fractions(
        self, model: AtomicModel, views: Views, microscope: Microscope, *, seed: int = 0, progress: bool = False
    ) -> NDArray[np.float32]:
        """Expected fraction of the incident electrons on the detector, per pixel, (n, nx, ny)."""
        ...

    def fraction(
        self, model: AtomicModel, views: Views, index: int, microscope: Microscope, *, seed: int = 0
    ) -> NDArray[np.float32]:
        """Image `index` of `fractions` alone, (nx, ny): long series are computed and kept image by image."""
        ...


TIERS: dict[str, Any] = {
    "linear": LinearTier,
    "prism": PrismTier,
    "multislice": MultisliceTier,
    "windowed": WindowedTier,
}
"""Classes of tiers, from the fastest to the slowest on a CPU, windowed last."""


def tier_from_mapping(values: Mapping[str, Any]) -> Tier:
    """The tier `values["name"]` with its other options, plain values as a YAML file holds them.

    `thermal_sigma` may name elements by symbol or atomic number. Unknown names and options are ConfigErrors.
    """
    options = dict(values)
    name = options.pop("name", None)
    if name is None:
        raise ConfigError(f"tier.name is not given: choose from {', '.join(TIERS)}")
    refuse_unknown("tier", [name], TIERS)
    refuse_unknown(f"tier {name}", options, [entry.name for entry in fields(TIERS[name])])
    thermal = options.get("thermal_sigma")
    if isinstance(thermal, Mapping):
        options["thermal_sigma"] = {atomic_number(key): float(value) for key, value in thermal.items()}
    if isinstance(options.get("scale"), list):
        options["scale"] = tuple(options["scale"])
    return TIERS[name](**options)
