"""Point defects of a particle: missing, added, foreign and misplaced atoms."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from pann.simulation.structures.disorder import (
    MINIMUM_DISTANCE,
    coordination,
    keep_after_roughening,
    keep_after_vacancies,
    keep_apart,
)
from pann.simulation.structures.element_options import Elements
from pann.simulation.structures.options import Real
from pann.simulation.structures.packing import push_apart
from pann.simulation.structures.particle import Particle, as_numbers
from pann.simulation.structures.registry import Registry

PointMaker = Callable[..., Particle]
"""(particle, rng, options) -> particle."""

POINT: Registry[PointMaker] = Registry("defects")
"""Defects of the finished particle, whose elements are known; shares are of its atoms."""


@POINT.add("vacancies", share=Real(0, 0.9))
def vacancies(particle: Particle, rng: np.random.Generator, share: float) -> Particle:
    """A share of all atoms is missing."""
    return particle.select(keep_after_vacancies(len(particle), share, rng))


@POINT.add("missing_surface", share=Real(0, 0.9))
def missing_surface(particle: Particle, rng: np.random.Generator, share: float) -> Particle:
    """A share of the surface atoms is missing, and what then hangs loose."""
    return particle.select(keep_after_roughening(particle.positions, 1.2 * particle.bond, share, rng))


@POINT.add("substitution", share=Real(0, 0.9), element=Elements(), of=Elements(None))
def substitution(
    particle: Particle, rng: np.random.Generator, share: float, element: list[str], of: list[str] | None
) -> Particle:
    """A share of the atoms, or of those `of` some elements, is replaced by foreign ones."""
    numbers = particle.elements.copy()
    eligible = np.ones(len(numbers), bool) if of is None else np.isin(numbers, as_numbers(of))
    chosen = np.flatnonzero(eligible & (rng.random(len(numbers)) < share))
    numbers[chosen] = rng.choice(as_numbers(element), size=len(chosen))
    return particle.with_numbers(numbers)


@POINT.add("adatoms", share=Real(0, 0.5), element=Elements(None))
def adatoms(particle: Particle, rng: np.random.Generator, share: float, element: list[str] | None) -> Particle:
    """Atoms in hollow places of the surface, each one bond away from three others."""
    number = round(share * len(particle))
    if number == 0 or len(particle) < 4:
        return particle
    bond = particle.bond
    surface = np.flatnonzero(coordination(particle.positions, 1.2 * bond) < 10)
    hosts = rng.permutation(surface)[: 4 * number]
    places = _hollows(particle.positions, hosts, bond, rng)
    free = cKDTree(particle.positions).query(places)[0] > 0.93 * bond if len(places) else np.zeros(0, bool)
    places = places[free]
    places = places[keep_apart(places, 0.9 * bond)][:number]
    return particle.with_atoms(places, _guests(particle, len(places), element, rng))


def _hollows(
    positions: NDArray[np.float64], hosts: NDArray[np.int64], bond: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Points (k, 3) one `bond` [Å] away from a host and two of its neighbours, on both sides of the three."""
    found = []
    for host, neighbours in zip(hosts, cKDTree(positions).query_ball_point(positions[hosts], 1.7 * bond), strict=True):
        others = rng.permutation([index for index in neighbours if index != host])
        if len(others) < 2:
            continue
        pairs = np.stack(np.triu_indices(len(others), 1), axis=1)[:40]
        a = positions[others[pairs[:, 0]]] - positions[host]
        b = positions[others[pairs[:, 1]]] - positions[host]
        normal = np.cross(a, b)
        square = (normal**2).sum(1)
        keep = square > 1e-3 * bond**4
        a, b, normal, square = a[keep], b[keep], normal[keep], square[keep][:, None]
        # Circumcentre of a triangle with one corner at zero.
        centre = np.cross((a**2).sum(1)[:, None] * b - (b**2).sum(1)[:, None] * a, normal) / (2 * square)
        height = bond**2 - (centre**2).sum(1)
        flat = height > 0
        offset = normal[flat] / np.sqrt(square[flat]) * np.sqrt(height[flat])[:, None]
        points = positions[host] + np.concatenate([centre[flat] + offset, centre[flat] - offset])
        found.append(points[rng.permutation(len(points))])
    return np.concatenate(found) if found else np.zeros((0, 3))


@POINT.add("interstitials", share=Real(0, 0.2), element=Elements(None))
def interstitials(particle: Particle, rng: np.random.Generator, share: float, element: list[str] | None) -> Particle:
    """Atoms in voids between the others, which are pushed away to at least 0.8 bonds."""
    number = round(share * len(particle))
    if number == 0 or len(particle) < 8:
        return particle
    voids, radii = _voids(particle.positions, rng)
    inner = (radii > 0.55 * particle.bond) & (radii < 1.05 * particle.bond)
    voids = voids[inner][rng.permutation(int(inner.sum()))][: 6 * number]
    voids = voids[keep_apart(voids, particle.bond)][:number]
    fuller = particle.with_atoms(voids, _guests(particle, len(voids), element, rng))
    positions = fuller.positions
    for _ in range(15):
        pairs = cKDTree(positions).query_pairs(max(0.8 * particle.bond, MINIMUM_DISTANCE), output_type="ndarray")
        if not len(pairs):
            break
        reach = np.full(len(pairs), max(0.82 * particle.bond, 1.02 * MINIMUM_DISTANCE))
        positions = positions + push_apart(positions, pairs, reach, 0.6)
    return replace(fuller, positions=positions)


def _voids(positions: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (k, 3) equally far from four atoms with none nearer, and that distance (k,) [Å]."""
    # Perfect crystals are degenerate for Delaunay: a little noise makes every cell a proper tetrahedron.
    corners = positions + 1e-4 * rng.normal(size=positions.shape)
    tetrahedra = corners[Delaunay(corners).simplices]
    edges = tetrahedra[:, 1:] - tetrahedra[:, :1]
    proper = np.abs(np.linalg.det(edges)) > 1e-2
    edges, first = edges[proper], tetrahedra[proper, 0]
    offsets = np.linalg.solve(edges, 0.5 * (edges**2).sum(2)[..., None])[..., 0]
    return first + offsets, np.linalg.norm(offsets, axis=1)


def _guests(particle: Particle, number: int, element: list[str] | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Atomic numbers (number,) of added atoms: of the named elements, or as in the particle."""
    pool = particle.elements if element is None else np.array(as_numbers(element))
    return rng.choice(pool, size=number).astype(np.int64)
