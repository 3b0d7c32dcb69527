"""Outer shapes of particles, as level functions: the surface is where the level is constant."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pann.core.errors import InputError
from pann.simulation.structures.element_options import Facets, miller_indices
from pann.simulation.structures.lattices import PROTOTYPES, Lattice
from pann.simulation.structures.options import Real, Vector, Word
from pann.simulation.structures.registry import Registry

Level = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(n, 3) positions [Å] -> (n,) levels [Å]; a sphere has the distance from the centre as its level."""

ShapeMaker = Callable[..., Level]
"""(lattice, rng, options) -> level. The lattice gives the directions of facets and axes."""

OUTLINES = ("disc", "triangle", "hexagon")

SHAPES: Registry[ShapeMaker] = Registry("shape")
"""What a particle's surface can look like. Levels are homogeneous: twice as far out is twice the level."""


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix (3, 3), uniform over all rotations."""
    return Rotation.random(rng=rng).as_matrix()


def random_shape(kind: str, rng: np.random.Generator, lattice: Lattice | None = None) -> Level:
    """A member of the family `kind` of `SHAPES` with its default options, for a cubic crystal unless one is named."""
    if kind not in SHAPES.kinds:
        raise InputError(f"structure: there is no shape {kind!r}; choose one of {', '.join(SHAPES.kinds)}")
    maker, options = SHAPES.draw(kind, rng)
    return maker.build(PROTOTYPES["fcc"] if lattice is None else lattice, rng, **options)


@SHAPES.add("sphere")
def sphere(lattice: Lattice, rng: np.random.Generator) -> Level:
    """A ball."""
    return lambda r: np.linalg.norm(r, axis=1)


@SHAPES.add("ellipsoid", a=Real(0.1, 10, [0.85, 1.2]), b=Real(0.1, 10, [0.85, 1.2]), c=Real(0.1, 10, [0.85, 1.2]))
def ellipsoid(lattice: Lattice, rng: np.random.Generator, a: float, b: float, c: float) -> Level:
    """Half axes in the ratio a : b : c, in random orientation to the crystal."""
    axes = np.array([a, b, c]) / (a * b * c) ** (1 / 3)
    turn = random_rotation(rng)
    return lambda r: np.linalg.norm((r @ turn) / axes, axis=1)


@SHAPES.add("rough", amplitude=Real(0, 0.15, 0.05))
def rough(lattice: Lattice, rng: np.random.Generator, amplitude: float) -> Level:
    """A ball whose radius varies over the directions: six waves, each of standard deviation `amplitude` (a share)."""
    waves = rng.normal(size=(6, 3)) * 2.0
    phases = rng.uniform(0, 2 * np.pi, size=6)
    amplitudes = amplitude * rng.normal(size=6)

    def level(r: NDArray[np.float64]) -> NDArray[np.float64]:
        distance = np.linalg.norm(r, axis=1)
        direction = r / np.maximum(distance, 1e-9)[:, None]
        return distance / np.maximum(1 + np.cos(direction @ waves.T + phases) @ amplitudes, 0.3)

    return level


@SHAPES.add("wulff", facets=Facets({"100": 1.0, "111": 1.0}), spread=Real(0, 1, 0.0))
def wulff(lattice: Lattice, rng: np.random.Generator, facets: Mapping[str, float], spread: float) -> Level:
    """A polyhedron whose facets lie at distances in the ratio of `facets` (surface energies: Wulff's construction).

    Parameters
    ----------
    facets : by Miller indices; each stands for all planes that the symmetry of the cell makes equivalent.
    spread : each plane is moved out by a random share up to this one, for a crystal that grew unevenly.
    """
    normals, distances = [], []
    for key, distance in facets.items():
        planes = lattice.facets(miller_indices("facets", key))
        normals.append(planes)
        distances.append(np.full(len(planes), distance))
    directions, heights = np.concatenate(normals), np.concatenate(distances)
    heights = heights / heights.min() * rng.uniform(1, 1 + spread, size=len(heights))
    return lambda r: (r @ directions.T / heights).max(axis=1)


@SHAPES.add("polyhedron")
def polyhedron(lattice: Lattice, rng: np.random.Generator) -> Level:
    """A cubic crystal cut by {100} and {111} planes at distances within a factor 1.33 of each other."""
    return wulff(PROTOTYPES["fcc"], rng, {"100": 1.0, "111": 1.0}, 1 / 3)


@SHAPES.add("cuboid", a=Real(0.1, 10, 1.0), b=Real(0.1, 10, 1.0), c=Real(0.1, 10, 1.0))
def cuboid(lattice: Lattice, rng: np.random.Generator, a: float, b: float, c: float) -> Level:
    """Edges in the ratio a : b : c along the axes x, y and z of the cell: {100} facets of a cubic crystal."""
    half = np.array([a, b, c]) / (a * b * c) ** (1 / 3)
    return lambda r: (np.abs(r) / half).max(axis=1)


@SHAPES.add("rod", aspect=Real(0.1, 10, [2.0, 3.5]), axis=Vector([0, 0, 1]))
def rod(lattice: Lattice, rng: np.random.Generator, aspect: float, axis: list[float]) -> Level:
    """A cylinder with rounded edges along the lattice direction `axis`, `aspect` times as long as thick."""
    along = lattice.direction(axis)

    def level(r: NDArray[np.float64]) -> NDArray[np.float64]:
        height = np.abs(r @ along)
        radius = np.sqrt(np.maximum((r**2).sum(1) - height**2, 0))
        return (radius**8 + (height / aspect) ** 8) ** (1 / 8)

    return level


@SHAPES.add(
    "flake", "layered", layers=Real(1, 20, 1, whole=True), outline=Word(("disc", "triangle", "hexagon"), "disc")
)
def flake(lattice: Lattice, rng: np.random.Generator, layers: int, outline: str) -> Level:
    """So many whole layers of a layered crystal; zigzag edges where the outline is a triangle or a hexagon."""
    assert lattice.layers is not None, "flakes are cut from layered crystals only (checked with the recipe)"
    spacing = lattice.layers[1] * float(lattice.cell[2, 2])
    corners = {"triangle": 3, "hexagon": 6, "disc": 0}[outline]
    turns = np.pi / 2 + 2 * np.pi * np.arange(corners) / max(corners, 1)
    normals = np.stack([np.cos(turns), np.sin(turns)], axis=1)

    def level(r: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = r[:, :2]
        size: Any = (flat @ normals.T).max(axis=1) if corners else np.linalg.norm(flat, axis=1)
        inside = (r[:, 2] > -spacing / 2) & (r[:, 2] < (layers - 0.5) * spacing)
        return np.where(inside, np.abs(size), np.inf)

    return level
