"""Atoms drawn as shaded spheres, without a graphics library."""

import numpy as np
from ase.data import covalent_radii
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.geometry import rotation_matrices
from pann.report.theme import element_colour

_LIGHT = np.array([-0.4, 0.5, 0.77])
_AMBIENT, _DIFFUSE, _GLOSS = 0.38, 0.62, 0.35
_SHININESS = 24
_FOG = 0.35
"""How much the farthest atoms fade into white, so that depth can be read."""


def render_spheres(
    model: AtomicModel, *, pixels: int = 700, angles: ArrayLike = (20.0, 25.0, 15.0), radius_scale: float = 0.8
) -> NDArray[np.float32]:
    """Parallel projection of the atoms as shaded spheres, with hidden parts removed.

    Parameters
    ----------
    model : atoms; the colour is the element's, the radius its covalent radius times `radius_scale`.
    pixels : width and height of the picture.
    angles : Euler angles (phi, theta, psi) [deg] of the view, see `pann.core.geometry`.

    Returns
    -------
    (pixels, pixels, 4) float32 RGBA in [0, 1], first row at the top; transparent where there is no atom.
    """
    picture = np.zeros((pixels, pixels, 4), np.float32)
    if not len(model):
        return picture
    points = (model.positions - model.positions.mean(axis=0)) @ rotation_matrices(np.reshape(angles, (1, 3)))[0].T
    radii = np.where(model.numbers > 0, covalent_radii[model.numbers], 1.2) * radius_scale
    reach = float((np.abs(points[:, :2]).max(axis=1) + radii).max())
    scale = 0.49 * pixels / reach
    depth = np.full((pixels, pixels), -np.inf)
    nearness = (points[:, 2] - points[:, 2].min()) / max(float(np.ptp(points[:, 2])), 1e-9)
    colours = {number: np.array(to_rgb(element_colour(number))) for number in {int(n) for n in model.numbers}}
    for point, radius, number, near in zip(points, radii, model.numbers, nearness, strict=True):
        colour = colours[int(number)]
        _draw_sphere(picture, depth, point, float(radius), scale, colour, fade=_FOG * (1 - float(near)))
    return picture


def _draw_sphere(
    picture: NDArray[np.float32],
    depth: NDArray[np.float64],
    point: NDArray[np.float64],
    radius: float,
    scale: float,
    colour: NDArray[np.float64],
    fade: float,
) -> None:
    """Draw one sphere where it is nearer than what `depth` [Å] holds; Phong shading."""
    pixels = len(picture)
    column, row = pixels / 2 + point[0] * scale, pixels / 2 - point[1] * scale
    extent = radius * scale
    rows = np.arange(max(int(row - extent), 0), min(int(row + extent) + 2, pixels))
    columns = np.arange(max(int(column - extent), 0), min(int(column + extent) + 2, pixels))
    u, v = np.meshgrid((columns - column) / extent, (row - rows) / extent)
    squared = u**2 + v**2
    height = np.sqrt(np.maximum(1 - squared, 0))
    box = np.ix_(rows, columns)
    visible = (squared <= 1) & (point[2] + radius * height > depth[box])
    light = _LIGHT / np.linalg.norm(_LIGHT)
    lambert = np.clip(u * light[0] + v * light[1] + height * light[2], 0, 1)
    gloss = np.clip(2 * lambert * height - light[2], 0, 1) ** _SHININESS
    shade = (_AMBIENT + _DIFFUSE * lambert)[..., None] * colour + _GLOSS * gloss[..., None]
    shade = np.clip(shade, 0, 1) * (1 - fade) + fade
    depth[box] = np.where(visible, point[2] + radius * height, depth[box])
    rgba = np.concatenate([shade, np.ones_like(shade[..., :1])], axis=-1)
    picture[box] = np.where(visible[..., None], rgba, picture[box])
