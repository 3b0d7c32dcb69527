"""All effects together."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.arrays import require_positive
from pann.core.atomic_model import AtomicModel
from pann.core.errors import ConfigError, InputError
from pann.core.geometry import as_euler_angles
from pann.core.options import refuse_unknown
from pann.core.random import generator
from pann.simulation.noise.background import Background, Carbon
from pann.simulation.noise.detector import Detector, Poisson
from pann.simulation.noise.drawn import Drawn
from pann.simulation.noise.effect import Effect, Scene, Values
from pann.simulation.noise.motion import MovingAtoms, ParticleRotation, VanishingAtoms, displacements, presence
from pann.simulation.noise.scan import Drift, Flyback, Jitter
from pann.simulation.noise.stage import Defocus, Magnification, Rotation, Saturation, Scale, Shift, TiltError


@dataclass(frozen=True, kw_only=True)
class Distortions:
    """Every effect with its switch and ranges; one that is not given is off. Presets are in ``conf/simulation/noise``.

    A series draws the strength of each effect once, uniformly from its range, and then the values of its images. All
    effects have random streams of their own: switching one off leaves the others as they were.
    """

    tilt_error: TiltError = field(default_factory=TiltError)
    shift: Shift = field(default_factory=Shift)
    magnification: Magnification = field(default_factory=Magnification)
    rotation: Rotation = field(default_factory=Rotation)
    jitter: Jitter = field(default_factory=Jitter)
    flyback: Flyback = field(default_factory=Flyback)
    drift: Drift = field(default_factory=Drift)
    defocus: Defocus = field(default_factory=Defocus)
    scale: Scale = field(default_factory=Scale)
    saturation: Saturation = field(default_factory=Saturation)
    background: Background = field(default_factory=Background)
    carbon: Carbon = field(default_factory=Carbon)
    particle_rotation: ParticleRotation = field(default_factory=ParticleRotation)
    moving_atoms: MovingAtoms = field(default_factory=MovingAtoms)
    vanishing_atoms: VanishingAtoms = field(default_factory=VanishingAtoms)
    detector: Detector = field(default_factory=Detector)
    poisson: Poisson = field(default_factory=Poisson)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, such as a YAML file holds.

        Raises
        ------
        ConfigError : an unknown effect or option, with the nearest names; a range that is missing or impossible.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"simulation.noise is {values!r}: expected effects by name")
        kinds = {entry.name: entry.type for entry in fields(cls)}
        refuse_unknown("simulation.noise", values, kinds)
        return cls(**{name: kinds[name].from_mapping(given) for name, given in values.items()})  # type: ignore[union-attr]

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All effects, on or off."""
        return tuple(getattr(self, entry.name) for entry in fields(self))

    def draw(
        self,
        seed: int,
        index: int,
        model: AtomicModel,
        angles: ArrayLike,
        image_shape: tuple[int, int],
        pixel_size: float,
    ) -> Drawn:
        """Random distortions of sample `index`; always the same for the same seed, index and scene.

        Parameters
        ----------
        seed, index : of the data set and the sample.
        model : the particle [Å].
        angles : (n_tilts, 3) nominal Euler angles [deg], in the order of acquisition.
        image_shape, pixel_size : (nx, ny) and [Å].
        """
        require_positive("pixel_size", pixel_size, "Å")
        nominal: NDArray[np.float64] = as_euler_angles(angles)
        if not len(model) or not len(nominal) or min(image_shape) < 2:
            raise InputError(
                f"noise: {len(model)} atoms, {len(nominal)} tilts and images of {image_shape} pixels: "
                "at least one atom, one tilt and two pixels a side are needed"
            )
        scene = Scene(model, nominal, n_lines=image_shape[1])
        values: Values = {}
        for effect in self.effects:
            values |= effect.drawn(generator(seed, "noise", effect.key, index), scene)
        return Drawn(
            values=values,
            image_shape=(int(image_shape[0]), int(image_shape[1])),
            seed=seed,
            index=index,
            displacements=displacements(values, model.positions),
            present=presence(values, len(model)),
            defocus=values["defocus"] if self.defocus.on else None,
        )
