"""Classical element assignment: clusters of the integrated intensity, the baselines that the network must beat.

Global k-means over the integrated intensity is the usual choice of the field; the local variant re-assigns every atom
to the nearest of the class means within a sphere around it, which follows slow changes of intensity through the
particle (Yang et al., Nature 592 (2021) 60, with a radius of 10 Å). A Gaussian mixture adds probabilities.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, eye_array
from scipy.spatial import cKDTree
from scipy.special import softmax
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from pann.classifier.intensity import integrated_intensity, relative_log
from pann.classifier.mixture import tied_mixture
from pann.classifier.scattering import by_power, scattering_powers
from pann.core.atomic_model import AtomicModel
from pann.core.errors import InputError
from pann.core.volume import Volume

_SEED = 0
_LOCAL_SWEEPS = 20


def kmeans(
    volume: Volume,
    model: AtomicModel,
    elements: Sequence[int],
    radius: float | None = None,
    *,
    intensity_radius: float = 1.2,
) -> AtomicModel:
    """Elements by k-means of the integrated intensity; the brighter cluster is the element that scatters more.

    Parameters
    ----------
    volume : in which the intensity is integrated.
    model : atoms whose elements are wanted.
    elements : candidate atomic numbers, one cluster each.
    radius : [Å]; None compares each atom with the whole particle, a number with the atoms within it.
    intensity_radius : of the ball over which the intensity is integrated [Å].

    Returns
    -------
    AtomicModel with `numbers` and `intensities`; k-means gives no probabilities.
    """
    numbers = by_power(elements)
    intensities = integrated_intensity(volume, model.positions, intensity_radius)
    labels = global_clusters(intensities, len(numbers))
    if radius is not None:
        labels = local_clusters(model.positions, intensities, labels, radius)
    return model.replace(numbers=numbers[labels], probabilities=None, intensities=intensities)


def gaussian_mixture(
    volume: Volume, model: AtomicModel, elements: Sequence[int], *, intensity_radius: float = 1.2
) -> AtomicModel:
    """Elements by a mixture of one Gaussian per candidate over the integrated intensity, with probabilities.

    Parameters and order as in `kmeans`, whose clusters start the fit.
    """
    numbers = by_power(elements)
    intensities = integrated_intensity(volume, model.positions, intensity_radius)
    shares = mixture_shares(intensities, len(numbers))
    return model.replace(numbers=numbers[shares.argmax(1)], probabilities=shares.max(1), intensities=intensities)


def scattering_mixture(
    volume: Volume, model: AtomicModel, elements: Sequence[int], *, intensity_radius: float = 1.2
) -> AtomicModel:
    """Elements by the ratios of their cross-sections, without training: see `pann.classifier.mixture.tied_mixture`.

    Unlike clusters it knows where the classes must lie, so it survives elements of which few atoms were traced, and
    traced peaks that are no atoms. Parameters as in `kmeans`; `probabilities` are among the elements.
    """
    intensities = integrated_intensity(volume, model.positions, intensity_radius)
    fit = tied_mixture(relative_log(intensities), np.log(scattering_powers(elements)))
    shares = softmax(fit.log_posterior[:, :-1], axis=1)
    numbers = np.asarray(elements, dtype=np.int64)[shares.argmax(1)]
    return model.replace(numbers=numbers, probabilities=shares.max(1), intensities=intensities)


def global_clusters(intensities: ArrayLike, n_clusters: int) -> NDArray[np.int64]:
    """Cluster of each atom (n,) from 0, the dimmest, to `n_clusters` - 1."""
    column = _column(intensities, n_clusters)
    if n_clusters == 1:
        return np.zeros(len(column), dtype=np.int64)
    found = KMeans(n_clusters, n_init=8, random_state=_SEED).fit(column)
    rank = np.argsort(np.argsort(found.cluster_centers_[:, 0]))
    return rank[found.labels_].astype(np.int64)


def local_clusters(positions: ArrayLike, intensities: ArrayLike, labels: ArrayLike, radius: float) -> NDArray[np.int64]:
    """Re-assign each atom to the nearest class mean among the atoms within `radius` [Å], until nothing changes.

    A class without atoms in a sphere keeps its mean over the particle there.
    """
    if not radius > 0:
        raise InputError(f"local k-means: radius is {radius}: expected a positive number [Å]")
    intensity = np.asarray(intensities, dtype=np.float64)
    current = np.asarray(labels, dtype=np.int64)
    pairs = cKDTree(np.asarray(positions, dtype=np.float64)).query_pairs(radius, output_type="ndarray")
    half = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(intensity), len(intensity)))
    near = (half + half.T + eye_array(len(intensity))).tocsr()
    classes = np.unique(current)
    for _ in range(_LOCAL_SWEEPS):
        member = (current[:, None] == classes).astype(np.float64)
        overall = (member * intensity[:, None]).sum(0) / np.maximum(member.sum(0), 1)
        counts = near @ member
        means = np.where(counts > 0, (near @ (member * intensity[:, None])) / np.maximum(counts, 1), overall)
        updated = classes[np.abs(means - intensity[:, None]).argmin(1)]
        if np.array_equal(updated, current):
            break
        current = updated
    return current


def mixture_shares(intensities: ArrayLike, n_components: int) -> NDArray[np.float64]:
    """Probability (n, n_components) of each Gaussian component, from the dimmest to the brightest."""
    column = _column(intensities, n_components)
    labels = global_clusters(column[:, 0], n_components)
    starts = np.array([[column[labels == k].mean()] for k in range(n_components)])
    scale = max(float(column.std()), np.finfo(float).tiny)
    mixture = GaussianMixture(n_components, means_init=starts / scale, random_state=_SEED, reg_covar=1e-4)
    shares = mixture.fit(column / scale).predict_proba(column / scale)
    return shares[:, np.argsort(mixture.means_[:, 0])]


def _column(intensities: ArrayLike, n_clusters: int) -> NDArray[np.float64]:
    column = np.asarray(intensities, dtype=np.float64).reshape(-1, 1)
    distinct = len(np.unique(column))
    if distinct < n_clusters:
        raise InputError(
            f"clustering: {distinct} different intensities for {n_clusters} elements: name fewer elements, "
            "or check that the model lies on the volume"
        )
    return column
