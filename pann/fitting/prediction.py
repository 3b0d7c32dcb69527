"""The image model at given atoms: what a fit, or a plan, expects to see."""

from collections.abc import Mapping
from math import log

import numpy as np
import torch
from numpy.typing import ArrayLike

from pann.core import AtomicModel, InputError, PointSpread
from pann.core.geometry import rotation_matrices
from pann.fitting.expansion import Expansion
from pann.fitting.image_model import ImageModel
from pann.fitting.parameters import Layout, State
from pann.fitting.surface import order_of


def expand(
    model: AtomicModel,
    psf: PointSpread,
    angles: ArrayLike,
    image_shape: tuple[int, int],
    pixel_size: float,
    *,
    background: ArrayLike = 0.0,
    scales: ArrayLike | None = None,
    shifts: ArrayLike | None = None,
    background_images: ArrayLike | None = None,
    surface: ArrayLike | None = None,
    saturation: float = 0.0,
    attenuation: float = 0.0,
    element_widths: Mapping[int, float] | None = None,
    by_element: bool = False,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Expansion:
    """Images of `model` with their first derivatives; every atom has an intensity of its own, unless `by_element`.

    Parameters
    ----------
    model : positions [Å] and integrated intensities [image units].
    psf : profile of an atom.
    angles : (n_tilts,) or (n_tilts, 3) [deg].
    image_shape, pixel_size : (nx, ny) and [Å].
    background : one constant, or (n_tilts,) [image units per pixel].
    scales : (n_tilts,) factors of the atoms' intensity; 1 by default.
    shifts : (n_tilts, 2) displacements of the atoms [Å]; none by default.
    background_images : (n_tilts, nx, ny) what is in the images but not in the model [image units].
    surface : (n_tilts, n_terms) coefficients of a smooth background (`pann.fitting.surface`); none by default.
    saturation, attenuation : β [1/image units] and α [1/Å] of `pann.fitting.image_model`.
    element_widths : width of the core by atomic number [Å]; that of `psf` for all that are not named.
    by_element : whether the atoms of an element share one intensity, that of the first, as in a fit by element.
    """
    if not len(model) or model.intensities is None:
        raise InputError(f"{model.name}: expected images need atoms and the intensity of each")
    rotations = rotation_matrices(angles)
    n_tilts = len(rotations)

    def tensor(values: ArrayLike) -> torch.Tensor:
        return torch.tensor(np.asarray(values, dtype=np.float64), device=device)

    coefficients = None if surface is None else tensor(surface)
    kind, widths = None, None
    if element_widths is not None:
        numbers, kinds = np.unique(model.numbers, return_inverse=True)
        core = min(psf.sigmas)
        widths = tensor([log(element_widths.get(int(number), core) / core) for number in numbers])
        kind = torch.as_tensor(kinds, device=device)
    group, first = np.arange(len(model)), np.arange(len(model))
    if by_element:
        _, first, group = np.unique(model.numbers, return_index=True, return_inverse=True)
    state = State(
        positions=tensor(model.positions),
        intensity=tensor(np.asarray(model.intensities)[first]),
        background=tensor(np.broadcast_to(np.asarray(background, dtype=np.float64), (n_tilts,))),
        scale=tensor(np.ones(n_tilts) if scales is None else scales),
        shifts=tensor(np.zeros((n_tilts, 2)) if shifts is None else shifts),
        sigma=1.0,
        surface=coefficients,
        saturation=saturation,
        attenuation=attenuation,
        widths=widths,
    ).with_psf(psf)
    order = 0 if coefficients is None else order_of(coefficients.shape[1])
    layout = Layout(torch.as_tensor(group, device=device), n_tilts, surface=order, kind=kind)
    extra = None if background_images is None else tensor(background_images)
    return ImageModel(tensor(rotations), image_shape, pixel_size, layout, extra, dtype).at(state)
