"""Tier `multislice`: full multislice by abTEM, the oracle of the other tiers.

Every probe travels through the whole box: some 70 ms for each scan point of a 2.5 nm particle on one core, minutes for
an image at the Nyquist step and hours for a series. Meant for small boxes, or for a few points (`at`).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pann.simulation.imaging.waves import Foci, Specimen, WaveTier
from pann.simulation.microscope import Microscope


@dataclass(frozen=True)
class MultisliceTier(WaveTier):
    """Full multislice; its options are those of `WaveTier`.

    Attributes
    ----------
    batch : probes that travel together; 16 are fastest on a CPU.
    """

    name: ClassVar[str] = "multislice"
    batch: int = 16

    def _scan(
        self, specimen: Specimen, points: NDArray[np.float64], foci: Foci, microscope: Microscope
    ) -> NDArray[np.float64]:
        from abtem import CustomScan, Probe

        from pann.simulation.imaging.abtem_tools import abtem_settings, build_object, detector, values

        total = np.zeros(len(points))
        with abtem_settings(self.device):
            built = build_object(specimen, microscope.energy, self.potential)
            for focus, weight in foci:
                # abTEM puts the crossover `defocus` below the entrance surface.
                probe = Probe(
                    energy=microscope.energy,
                    semiangle_cutoff=microscope.semiangle,
                    defocus=focus,
                    aberrations=microscope.aberration_coefficients,
                )
                probe.grid.match(built)
                # abTEM would keep the waves of all probes in memory at once.
                for start in range(0, len(points), self.batch):
                    rows = slice(start, start + self.batch)
                    found = probe.scan(built, scan=CustomScan(points[rows]), detectors=detector(microscope), lazy=False)
                    total[rows] += weight * values(found)
        return total
