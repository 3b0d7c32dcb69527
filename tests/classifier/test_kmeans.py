import numpy as np
import pytest

from pann.classifier.intensity import integrated_intensity, relative_log, typical
from pann.classifier.kmeans import (
    gaussian_mixture,
    global_clusters,
    kmeans,
    local_clusters,
    mixture_shares,
    scattering_mixture,
)
from pann.classifier.mixture import tied_mixture
from pann.classifier.scattering import candidate_features, scattering_powers
from pann.core import AtomicModel, InputError, Volume
from pann.core.random import generator


def test_intensity_of_one_gaussian_is_its_sum():
    x = 0.3 * (np.arange(41) - 20)
    line = np.exp(-((x - 0.1) ** 2) / (2 * 0.4**2))
    volume = Volume(np.einsum("i,j,k->ijk", line, line, line), 0.3)
    found = integrated_intensity(volume, [[0.1, 0.1, 0.1]], radius=2.2)
    assert found[0] == pytest.approx(volume.values.sum(), rel=0.01)
    assert integrated_intensity(volume, np.zeros((0, 3))).shape == (0,)


def test_atoms_off_the_density_are_refused():
    with pytest.raises(InputError, match="hold no intensity"):
        relative_log(np.zeros(5))


def test_the_typical_atom_is_none_of_the_dim_peaks():
    assert typical(np.array([1.0] * 60 + [20.0] * 40)) == 20.0
    assert relative_log(np.array([20.0, 40.0, 20.0, 0.0]))[0] == 0.0


@pytest.mark.parametrize("elements", [(78,), (28, 78), (79, 46, 13)])
@pytest.mark.parametrize("radius", [None, 10.0])
def test_kmeans_tells_well_separated_elements_apart(particle_factory, elements, radius):
    particle = particle_factory(elements, noise=0.02)
    unknown = particle.truth.replace(numbers=np.zeros(len(particle.truth), int))
    found = kmeans(particle.volume, unknown, elements, radius=radius)
    assert np.array_equal(found.numbers, particle.truth.numbers)
    assert found.intensities is not None
    assert found.probabilities is None


def test_mixture_gives_probabilities(particle):
    found = gaussian_mixture(particle.volume, particle.truth, [78, 28])
    assert (found.numbers == particle.truth.numbers).mean() > 0.95
    assert found.probabilities.min() >= 0.5


def test_mixture_shares_agree_with_the_true_posterior():
    rng = generator(4, "mixture")
    dim, bright = rng.normal(1.0, 0.2, 4000), rng.normal(2.0, 0.2, 4000)
    shares = mixture_shares(np.concatenate([bright, dim, [1.5]]), 2)
    assert shares[-1, 1] == pytest.approx(0.5, abs=0.1)
    assert shares[:4000, 1].mean() == pytest.approx(0.98, abs=0.02)


def test_clusters_are_ordered_by_intensity():
    assert global_clusters([5.0, 1.0, 5.1, 0.9, 9.0], 3).tolist() == [1, 0, 1, 0, 2]


def test_local_clusters_follow_a_drift_of_the_intensity():
    rng = generator(6, "drift")
    positions = np.stack([np.linspace(0, 200, 400), np.zeros(400), np.zeros(400)], axis=1)
    truth = rng.integers(0, 2, 400)
    intensities = (1.0 + 0.6 * truth) * (1 + positions[:, 0] / 250)
    start = global_clusters(intensities, 2)
    found = local_clusters(positions, intensities, start, 10.0)
    assert (found == truth).mean() > (start == truth).mean()
    with pytest.raises(InputError, match="radius"):
        local_clusters(positions, intensities, start, 0.0)


def test_fewer_intensities_than_elements_is_refused():
    volume = Volume(np.ones((9, 9, 9)), 0.4)
    with pytest.raises(InputError, match="different intensities"):
        kmeans(volume, AtomicModel([[0.0, 0, 0]]), [28, 78])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_tied_mixture_finds_scale_and_composition(share):
    rng = generator(8, "tied")
    log_power = np.log([0.0045, 0.0219])
    true = (rng.random(600) < share).astype(int)
    widths = np.array([0.3, 0.1])
    x = 3.0 + log_power[true] + widths[true] * rng.normal(size=600)
    fit = tied_mixture(x - np.median(x), log_power)
    assert (fit.log_posterior.argmax(1) == true).mean() > 0.97
    assert fit.fractions[1] == pytest.approx(share, abs=0.04)
    assert fit.widths == pytest.approx(widths, rel=0.25)
    assert fit.means == pytest.approx(3.0 - np.median(x) + log_power, abs=0.12)
    assert np.exp(fit.log_posterior).sum(1) == pytest.approx(1.0)


def test_tied_mixture_knows_the_heavy_element_where_the_light_one_was_not_seen():
    x = generator(10, "tied").normal(0, 0.06, 200)
    fit = tied_mixture(x, np.log([0.0006, 0.0101]))
    assert (fit.log_posterior.argmax(1) == 1).all()


def test_tied_mixture_survives_many_peaks_that_are_no_atoms():
    rng = generator(11, "tied")
    ghosts, dim, bright = rng.normal(0, 0.6, 300), rng.normal(2.2, 0.1, 120), rng.normal(3.0, 0.06, 120)
    fit = tied_mixture(np.concatenate([ghosts, dim, bright]), np.log([1.0, 2.2]))
    answer = fit.log_posterior.argmax(1)
    assert (answer[:300] == 2).mean() > 0.95
    assert (answer[300:420] == 0).mean() > 0.95
    assert (answer[420:] == 1).mean() > 0.95


def test_scattering_mixture_gives_probabilities(particle):
    found = scattering_mixture(particle.volume, particle.truth, [78, 28])
    assert (found.numbers == particle.truth.numbers).mean() > 0.95
    assert found.probabilities.min() >= 0.5


def test_tied_mixture_does_not_depend_on_the_order_of_candidates():
    x = generator(9, "tied").normal(0, 0.8, 200)
    log_power = np.log([1.0, 2.0, 5.0])
    order = [2, 0, 1]
    first, second = tied_mixture(x, log_power), tied_mixture(x, log_power[order])
    assert second.log_posterior[:, :3] == pytest.approx(first.log_posterior[:, order], abs=1e-6)


def test_scattering_powers_grow_with_the_atomic_number():
    powers = scattering_powers([13, 28, 46, 78])
    assert np.all(np.diff(powers) > 0)
    assert powers[3] / powers[1] == pytest.approx(4.9, rel=0.15)
    for elements, message in (([], "none"), ([78, 78], "twice")):
        with pytest.raises(InputError, match=message):
            scattering_powers(elements)


def test_candidate_features_do_not_depend_on_the_order():
    numbers = [78, 13, 28]
    powers = scattering_powers(numbers)
    order = [1, 2, 0]
    assert candidate_features([numbers[i] for i in order], powers[order]) == pytest.approx(
        candidate_features(numbers, powers)[order]
    )
