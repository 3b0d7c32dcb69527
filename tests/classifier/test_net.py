import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.data import Batch

from pann.classifier.calibration import expected_calibration_error, fit_temperature
from pann.classifier.evidence import Evidence
from pann.classifier.features import FeatureConfig, column_groups, describe_atoms, n_features
from pann.classifier.graph import MAX_CANDIDATES, GraphConfig, build_graph
from pann.classifier.net import CandidateTransformer
from pann.classifier.scattering import scattering_powers
from pann.core import ConfigError, InputError
from pann.core.random import generator


@pytest.fixture
def net(feature_config):
    torch.manual_seed(0)
    return CandidateTransformer(feature_config.to_dict(), {"cutoff": 4.5}).eval()


def graph_of(particle, elements, features, graph, order=None):
    model = particle.truth if order is None else particle.truth.select(order)
    return build_graph(
        describe_atoms(Evidence(particle.volume), model, features), elements, scattering_powers(elements), graph
    )


@torch.no_grad()
def logits_of(net, *args, **kwargs):
    return net(graph_of(*args, net.features, net.graph, **kwargs))


def test_size(net):
    full = CandidateTransformer(FeatureConfig().to_dict(), {}).parameters()
    assert sum(parameter.numel() for parameter in full) < 1_000_000


@pytest.mark.parametrize("order", [4, 8])
def test_number_of_features(particle, order):
    config = FeatureConfig(order=order)
    features = describe_atoms(Evidence(particle.volume), particle.truth, config)
    assert features.values.shape == (len(particle.truth), n_features(config))
    assert np.isfinite(features.values).all()
    assert FeatureConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("elements", [[78], [28, 78], [13, 26, 28, 46, 78, 79]])
def test_any_number_of_candidates(net, particle, elements):
    logits = logits_of(net, particle, elements)
    assert logits.shape == (len(particle.truth), MAX_CANDIDATES + 1)
    chances = logits.softmax(1)
    assert torch.isfinite(logits[:, [*range(len(elements)), -1]]).all()
    assert not chances[:, len(elements) : -1].any()


def test_too_many_candidates_are_refused(net, particle):
    with pytest.raises(InputError, match="at most"):
        logits_of(net, particle, list(range(20, 20 + MAX_CANDIDATES + 1)))


def test_order_of_candidates_does_not_matter(net, particle):
    elements, order = [13, 28, 78], [2, 0, 1]
    first = logits_of(net, particle, elements)
    second = logits_of(net, particle, [elements[i] for i in order])
    assert torch.allclose(second[:, :3], first[:, order], atol=1e-4)
    assert torch.allclose(second[:, -1], first[:, -1], atol=1e-4)


def test_order_of_atoms_does_not_matter(net, particle):
    order = generator(1, "order").permutation(len(particle.truth))
    first, second = logits_of(net, particle, [28, 78]), logits_of(net, particle, [28, 78], order=order)
    assert torch.allclose(second[:, :2], first[order, :2], atol=1e-4)


def test_scale_of_the_density_does_not_matter(net, particle):
    first = logits_of(net, particle, [28, 78])
    faint = type(particle)(particle.volume.replace(values=1e-3 * particle.volume.values), particle.truth)
    assert torch.allclose(logits_of(net, faint, [28, 78])[:, :2], first[:, :2], atol=1e-3)


def test_the_frame_does_not_matter(net, particle_factory):
    turn = Rotation.from_euler("xyz", [20, 35, -50], degrees=True).as_matrix()
    upright = particle_factory(noise=0.1)
    shifted = particle_factory(noise=0.1, shift=(0.4, -0.8, 1.2))
    turned = particle_factory(noise=0.1, rotation=turn, shift=(0.13, 0.07, -0.1))
    reference, moved, rotated = (logits_of(net, case, [28, 78]).softmax(1) for case in (upright, shifted, turned))
    assert torch.allclose(moved, reference, atol=1e-4)
    assert torch.allclose(rotated, reference, atol=0.02)


def test_the_graph_knows_distances_alone(particle, feature_config):
    turn = Rotation.from_euler("xyz", [20, 35, -50], degrees=True).as_matrix()
    features = describe_atoms(Evidence(particle.volume), particle.truth, feature_config)
    powers = scattering_powers([28, 78])
    moved = type(features)(
        (features.positions @ turn.T + 5).astype(np.float32), features.values, features.log_intensities
    )
    first, second = (build_graph(case, [28, 78], powers, GraphConfig()) for case in (features, moved))
    assert first.edge_index.shape == second.edge_index.shape
    assert torch.allclose(first.edge_attr.sum(0), second.edge_attr.sum(0), atol=1e-2)


def test_a_batch_is_its_graphs(net, particle):
    graphs = [graph_of(particle, elements, net.features, net.graph) for elements in ([28, 78], [13, 28, 78])]
    with torch.no_grad():
        together = net(Batch.from_data_list(graphs))
        apart = torch.cat([net(graph) for graph in graphs])
    assert torch.allclose(together.softmax(1), apart.softmax(1), atol=1e-5)


def test_neighbours_are_bounded(particle, feature_config):
    graph = graph_of(particle, [28, 78], feature_config, GraphConfig(max_neighbours=3))
    assert torch.bincount(graph.edge_index[1]).max() <= 3
    assert graph.edge_attr.shape[1] == GraphConfig().edge_features


def test_one_atom_is_a_graph(net, particle):
    assert torch.isfinite(logits_of(net, particle, [28, 78], order=[0])[:, :2]).all()


def test_the_blend_leads_from_the_network_to_the_mixture(net, particle):
    graph = graph_of(particle, [78, 28], net.features, net.graph)
    with torch.no_grad():
        alone = net.scores(graph).softmax(1)
        assert torch.allclose(net(graph).softmax(1), alone, atol=1e-5)
        net.blend.fill_(1.0)
        blended = net(graph).softmax(1)
    mixture = graph.pair[:, :2, 0].softmax(1)
    assert torch.allclose(blended[:, :2] / blended[:, :2].sum(1, keepdim=True), mixture, atol=1e-5)
    assert torch.allclose(blended[:, -1], alone[:, -1], atol=1e-5)


def test_calibration_finds_the_temperature_and_lowers_the_loss():
    rng = torch.Generator().manual_seed(0)
    honest = 2 * torch.randn(4000, 3, generator=rng)
    labels = torch.multinomial(honest.softmax(1), 1, generator=rng)[:, 0]
    loud = 3 * honest
    temperature = fit_temperature(loud, labels)
    assert temperature == pytest.approx(3.0, rel=0.1)
    loss = torch.nn.functional.cross_entropy
    assert loss(loud / temperature, labels) < loss(loud, labels)
    errors = []
    for logits in (loud, loud / temperature):
        confidence, chosen = logits.softmax(1).max(1)
        errors.append(expected_calibration_error(confidence, chosen == labels))
    assert errors[1] < 0.03 < errors[0]


def test_calibration_ignores_masked_classes():
    logits = torch.tensor([[1.0, -torch.inf, 0.0], [0.0, -torch.inf, 1.0]]).repeat(50, 1)
    assert np.isfinite(fit_temperature(logits, torch.tensor([0, 2] * 50)))


@pytest.mark.parametrize("without", [["neighbours"], ["zernike"], ["coordinates"]])
def test_ablations_do_not_see_what_is_taken_away(particle, feature_config, without):
    torch.manual_seed(0)
    net = CandidateTransformer(feature_config.to_dict(), {}, without=without).eval()
    graph = graph_of(particle, [28, 78], net.features, net.graph)
    groups = column_groups(net.features)
    other = graph.clone()
    if without == ["zernike"]:
        other.x[:, groups["zernike"]] = 3.0
    else:
        other.x[:, groups["surroundings"]] = 3.0
        other.edge_attr[:, :-1] = 0.5
    if without == ["neighbours"]:
        other.edge_index, other.edge_attr = other.edge_index[:, :5], other.edge_attr[:5]
    with torch.no_grad():
        assert torch.equal(net(graph), net(other))
    full = CandidateTransformer(feature_config.to_dict(), {}).eval()
    with torch.no_grad():
        assert not torch.equal(full(graph), full(other))


def test_unknown_ablations_are_refused(feature_config):
    with pytest.raises(ConfigError, match="neighbours"):
        CandidateTransformer(feature_config.to_dict(), {}, without=["neighbors"])


def test_a_missing_source_repeats_another_and_is_flagged(particle, feature_config):
    alone = describe_atoms(Evidence(particle.volume), particle.truth, feature_config)
    both = describe_atoms(Evidence(particle.volume, particle.volume, particle.volume), particle.truth, feature_config)
    groups = column_groups(feature_config)
    assert np.array_equal(alone.log_intensities[:, 0], alone.log_intensities[:, 1])
    assert np.array_equal(alone.log_intensities, both.log_intensities)
    assert (alone.values[:, groups["sources"]] == 0).all()
    assert (both.values[:, groups["sources"]][:, 1:] > 0).all()


def test_the_odds_of_the_atoms_are_features_where_they_are_known(particle):
    config = FeatureConfig(order=2, existence=True)
    columns = column_groups(config)["existence"]
    odds = np.linspace(-20, 20, len(particle.truth))
    unknown = describe_atoms(Evidence(particle.volume), particle.truth, config)
    known = describe_atoms(Evidence(particle.volume, odds=odds), particle.truth, config)
    assert known.values.shape[1] == n_features(config) == n_features(FeatureConfig(order=2)) + 2
    assert (unknown.values[:, columns] == 0).all()
    assert (known.values[:, columns][:, 1] == 1).all()
    np.testing.assert_allclose(known.values[:, columns][:, 0], np.clip(odds, -6, 6), rtol=1e-6)
    np.testing.assert_array_equal(known.values[:, : columns.start], unknown.values[:, : columns.start])
    without = describe_atoms(Evidence(particle.volume, odds=odds), particle.truth, FeatureConfig(order=2))
    np.testing.assert_array_equal(without.values, known.values[:, : columns.start])


def test_odds_of_other_atoms_are_refused(particle, feature_config):
    with pytest.raises(InputError, match="odds of 3 atoms"):
        describe_atoms(Evidence(particle.volume, odds=np.zeros(3)), particle.truth, feature_config)
