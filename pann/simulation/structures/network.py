"""Continuous random networks: amorphous silicon and silica."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pann.simulation.structures.cutting import sphere_radius
from pann.simulation.structures.packing import into_ball, pull, push_apart, random_ball

TETRAHEDRAL = (8 / 3) ** 0.5
"""Distance of second neighbours in units of the bond, at the tetrahedral angle of 109.47°."""

SITES_PER_BOND = 0.65
"""Sites per bond³ of diamond, and nearly so of amorphous silicon and of the silicon atoms in silica glass."""


def bond_graph(
    positions: NDArray[np.float64], reach: float, degree: int = 4, least_angle: float = 66.0
) -> NDArray[np.int64]:
    """Bonds (m, 2): the shortest pairs within `reach` [Å], so that a network of low energy can grow from them.

    At most `degree` bonds at an atom, none at less than `least_angle` [deg] to another, no three in a triangle.
    """
    pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    directions = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    lengths = np.linalg.norm(directions, axis=1)
    order = np.argsort(lengths, kind="stable")
    directions /= np.maximum(lengths, 1e-9)[:, None]
    limit = float(np.cos(np.radians(least_angle)))
    # Plain numbers: the bonds of an atom are too few for arrays to pay.
    partners: list[dict[int, tuple[float, float, float]]] = [{} for _ in positions]
    bonds = []
    for (i, j), (x, y, z) in zip(pairs[order].tolist(), directions[order].tolist(), strict=True):
        of_i, of_j = partners[i], partners[j]
        if len(of_i) == degree or len(of_j) == degree or not of_i.keys().isdisjoint(of_j):
            continue
        narrow = any(x * a + y * b + z * c > limit for a, b, c in of_i.values())
        if not narrow and not any(x * a + y * b + z * c < -limit for a, b, c in of_j.values()):
            of_i[j], of_j[i] = (x, y, z), (-x, -y, -z)
            bonds.append((i, j))
    return np.array(bonds, dtype=np.int64).reshape(-1, 2)


def second_neighbours(bonds: NDArray[np.int64], n_atoms: int) -> NDArray[np.int64]:
    """Pairs (k, 2) of atoms that share a bonded neighbour, each once and the lower index first."""
    centre, other = np.concatenate([bonds, bonds[:, ::-1]]).T
    order = np.argsort(centre, kind="stable")
    centre, other = centre[order], other[order]
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for lag in range(1, int(np.bincount(centre, minlength=1).max(initial=0))):
        same = centre[:-lag] == centre[lag:]
        pairs.append(np.stack([other[:-lag][same], other[lag:][same]], axis=1))
    keys = np.unique(np.sort(np.concatenate(pairs), axis=1) @ np.array([n_atoms, 1]))
    return np.stack(np.divmod(keys, n_atoms), axis=1)


def _without(pairs: NDArray[np.int64], others: NDArray[np.int64], n_atoms: int) -> NDArray[np.int64]:
    """The `pairs` (i < j) that are not among `others`."""
    keys = np.sort(others, axis=1) @ np.array([n_atoms, 1])
    own = np.sort(pairs, axis=1) @ np.array([n_atoms, 1])
    return pairs[~np.isin(own, keys, assume_unique=True)]


def tetrahedral_network(
    n_atoms: int, bond: float, rng: np.random.Generator, rounds: int = 12, steps: int = 8
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """A random network of four bonds at each site, in a ball.

    From random points, bonds are chosen anew in every round (`bond_graph`), then relaxed by springs: first neighbours
    to the bond, second neighbours to the tetrahedral distance, all others beyond 1.45 bonds apart; in between the
    points are shaken, less and less. Keating's potential (Phys. Rev. 145, 637 (1966)) holds the same two distances.
    Bond angles spread by some 22° about 109°, twice as much as in silicon.

    Parameters
    ----------
    bond : [Å]; 2.35 in silicon.

    Returns
    -------
    (n, 3) positions [Å], (m, 2) bonds and the radius of the ball [Å].
    """
    ball = sphere_radius(n_atoms, SITES_PER_BOND / bond**3)
    positions = random_ball(n_atoms, ball, rng)
    for _ in range(30):
        pairs = cKDTree(positions).query_pairs(1.05 * bond, output_type="ndarray")
        step = push_apart(positions, pairs, np.full(len(pairs), 1.05 * bond), 0.45)
        positions = into_ball(positions + step, ball)
    bonds = bond_graph(positions, 1.6 * bond)
    for index in range(rounds):
        shake = 0.25 * bond * (1 - index / rounds)
        positions = _relaxed(positions + shake * rng.normal(size=positions.shape), bonds, bond, ball, steps)
        bonds = bond_graph(positions, 1.5 * bond)
    # Wider at last, so that few sites are left with a dangling bond.
    bonds = bond_graph(positions, 1.7 * bond, least_angle=50.0)
    return _relaxed(positions, bonds, bond, ball, 3 * steps), bonds, ball


def _relaxed(
    positions: NDArray[np.float64], bonds: NDArray[np.int64], bond: float, ball: float, steps: int
) -> NDArray[np.float64]:
    n_atoms = len(positions)
    second = _without(second_neighbours(bonds, n_atoms), bonds, n_atoms)
    bonded = np.concatenate([bonds, second])
    for index in range(steps):
        if index % 6 == 0:
            near = _without(cKDTree(positions).query_pairs(1.6 * bond, output_type="ndarray"), bonded, n_atoms)
        step = pull(positions, bonds, np.full(len(bonds), bond), 0.35)
        step += pull(positions, second, np.full(len(second), TETRAHEDRAL * bond), 0.1)
        step += push_apart(positions, near, np.full(len(near), 1.45 * bond), 0.4)
        positions = into_ball(positions + step, ball)
    return positions


def silica_network(
    n_silicon: int, rng: np.random.Generator, si_o: float = 1.61, steps: int = 80
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Silica glass: a tetrahedral network of silicon with an oxygen atom on every bond.

    Relaxed by springs: Si-O `si_o` [Å], O-O within a tetrahedron at its edge, sqrt(8/3) times that, and Si-Si beyond
    2.9 Å (Si-O-Si angle 144° on average: Mozzi and Warren, J. Appl. Cryst. 2, 164 (1969)).

    Returns
    -------
    (n, 3) silicon positions [Å], (m, 3) oxygen positions [Å] and (m, 2) the silicon atoms of each oxygen.
    """
    silicon, bonds, _ = tetrahedral_network(n_silicon, 2 * si_o * np.sin(np.radians(72)), rng)
    n_oxygen = len(bonds)
    oxygen = silicon[bonds].mean(axis=1) + 0.3 * rng.normal(size=(n_oxygen, 3))
    positions = np.concatenate([silicon, oxygen])
    own = np.arange(n_silicon, n_silicon + n_oxygen)
    links = np.concatenate([np.stack([bonds[:, k], own], axis=1) for k in (0, 1)])
    second = second_neighbours(links, len(positions))
    both_oxygen = (second >= n_silicon).all(axis=1)
    edges, across = second[both_oxygen], second[~both_oxygen]
    fixed = np.concatenate([links, second])
    for index in range(steps):
        if index % 8 == 0:
            near = _without(cKDTree(positions).query_pairs(3.0, output_type="ndarray"), fixed, len(positions))
        step = pull(positions, links, np.full(len(links), si_o), 0.35)
        step += pull(positions, edges, np.full(len(edges), TETRAHEDRAL * si_o), 0.15)
        step += push_apart(positions, across, np.full(len(across), 2.9), 0.3)
        step += push_apart(positions, near, np.full(len(near), 2.6), 0.3)
        positions = positions + step
    for _ in range(10):
        positions = positions + pull(positions, links, np.full(len(links), si_o), 0.35)
    return positions[:n_silicon], positions[n_silicon:], bonds
