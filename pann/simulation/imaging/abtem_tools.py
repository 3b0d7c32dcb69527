"""How the tiers call abTEM: settings, the object, the detector. Imported late, since abTEM takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import numpy as np
from abtem import AnnularDetector, Potential
from abtem import config as abtem_config
from abtem.antialias import antialias_aperture
from abtem.potentials.iam import TransmissionFunction
from ase import Atoms
from numpy.typing import NDArray
from scipy.fft import fft2, ifft2

from pann.simulation.imaging.potential import number_of_slices, transmission_slices
from pann.simulation.imaging.waves import Specimen
from pann.simulation.microscope import Microscope


@contextmanager
def abtem_settings(device: str) -> Iterator[None]:
    """Eager, silent and in this thread, on `device` ("cpu", "cuda")."""
    settings = {
        "dask.lazy": False,
        "device": "cpu" if device == "cpu" else "gpu",
        "diagnostics.progress_bar": False,
    }
    with abtem_config.set(settings), dask.config.set(scheduler="synchronous"):
        yield


class _Slices(TransmissionFunction):
    """abTEM hands an object on as blocks, which its own class of transmission functions does not take back."""

    def __init__(
        self,
        array: NDArray[np.complex64],
        slice_thickness: Any,
        extent: Any = None,
        sampling: Any = None,
        energy: float | None = None,
        **_: Any,
    ) -> None:
        super().__init__(array, slice_thickness, extent, sampling if extent is None else None, energy)


def build_object(specimen: Specimen, energy: float, kind: str) -> Any:
    """The specimen as abTEM's potential (`kind` "abtem") or as our transmission functions ("exact").

    abTEM limits the band of what it computes from a potential; transmission functions it takes as they are.
    """
    box = specimen.box
    if kind == "abtem":
        atoms = Atoms(numbers=specimen.numbers, positions=specimen.positions, cell=box.edges, pbc=True)
        potential = Potential(atoms, gpts=box.gpts, slice_thickness=specimen.slice_thickness, projection="infinite")
        return potential.build(lazy=False)
    slices = transmission_slices(
        specimen.numbers, specimen.positions, box.edges, box.gpts, specimen.slice_thickness, energy
    )
    thickness = box.edges[2] / number_of_slices(box.edges[2], specimen.slice_thickness)
    return _Slices(slices.numpy(), slice_thickness=thickness, extent=box.edges[:2], energy=energy)


def abtem_slices(specimen: Specimen, energy: float) -> NDArray[np.complex64]:
    """Transmission functions (n_slices, nx, ny) of abTEM's own potential, limited to 2/3 of the Nyquist frequency."""
    with abtem_settings("cpu"):
        slices = build_object(specimen, energy, "abtem").transmission_function(energy).array
    band = antialias_aperture(specimen.box.gpts, tuple(np.divide(specimen.box.edges[:2], specimen.box.gpts)), np)
    return ifft2(fft2(slices) * band).astype(np.complex64)


def detector(microscope: Microscope) -> Any:
    """The annulus; what it measures are fractions of the incident electrons."""
    return AnnularDetector(inner=microscope.inner, outer=microscope.outer)


def values(measurement: Any) -> NDArray[np.float64]:
    """Array of a measurement, on the CPU."""
    return np.asarray(measurement.to_cpu().array, dtype=np.float64)
