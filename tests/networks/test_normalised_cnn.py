import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import data, langevin
from ibjax.interface import Dataset, Hyper
from ibjax.networks import NormalisedCNN, build, normalised
from ibjax.networks.convolutions import convolve

HYPER = Hyper(0.1, 100.0)
SMALL = NormalisedCNN(((4, 4, 2, 1), (6, 3, 1, 0)), 5)
BY_MOMENTS = NormalisedCNN(((8, 4, 2, 1), (6, 3, 1, 0)), 5)
"""16 inputs a window: the statistics of 8 channels come from the moments of the inputs."""


def _prepared(norm, x):
    return x if norm.prepare is None else norm.prepare(x)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_first_layer_gives_the_same_either_way(precision):
    # 27 inputs a window: 14 channels take the moments of the patches, 13 those of the outputs.
    images = jax.random.uniform(jax.random.key(0), (6, 7, 7, 3))
    for channels in (13, 14):
        network = build(NormalisedCNN(((channels, 3, 2, 0),), 5, precision=precision), 2, (7, 7, 3))
        params = network.init(jax.random.key(1), None)
        norm = network.batch_statistics
        assert (norm.prepare is None) == (channels == 13)
        inputs = _prepared(norm, images)
        logits, after = norm.train(params, norm.init(), inputs, None, None, HYPER)
        y = convolve(params["conv 1"]["kernel"], jnp.moveaxis(images, (0, 3), (3, 0)), 3, 2, 0)
        np.testing.assert_allclose(after["conv 1"]["mean"], 0.1 * y.mean((1, 2, 3)), atol=1e-3)
        spread = 0.9 + 0.1 * y.reshape(channels, -1).var(1, ddof=1)
        np.testing.assert_allclose(after["conv 1"]["variance"], spread, atol=1e-3)
        assert logits.dtype == jnp.float32


def test_the_published_network_has_the_published_size():
    network = build(normalised.PUBLISHED["standard"], 2, (28, 28, 1))
    assert network is build(NormalisedCNN(), 2, (28, 28, 1))
    sizes = jax.eval_shape(network.init, jax.random.key(0), None)
    # 217,090 with the biases of 32 + 32 + 64 + 256 channels that normalisation subtracts again
    assert sum(a.size for a in jax.tree.leaves(sizes)) == 217_090 - 384


@pytest.mark.parametrize("config", [SMALL, BY_MOMENTS])
def test_a_training_step_and_the_running_statistics_are_those_of_the_published_program(config):
    torch = pytest.importorskip("torch")
    network, first = build(config, 2, (8, 8, 1)), config.convolutions[0][0]
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (6, 8, 8, 1))
    y = np.array([0, 1, 1, 0, 1, 0])
    peer = torch.nn.Sequential(
        torch.nn.Conv2d(1, first, 4, 2, 1),
        torch.nn.BatchNorm2d(first),
        torch.nn.ReLU(),
        torch.nn.Conv2d(first, 6, 3),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(24, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 2),
    )

    def tensor(a):
        return torch.tensor(np.array(a))

    with torch.no_grad():
        for place, name, kernel, channels in ((0, "conv 1", 4, 1), (3, "conv 2", 3, first)):
            w = params[name]["kernel"].reshape(-1, kernel, kernel, channels)
            peer[place].weight.copy_(tensor(w.transpose(0, 3, 1, 2)))
            peer[place].bias.zero_()
        for place, name in ((7, "dense"), (9, "head")):
            peer[place].weight.copy_(tensor(params[name]["kernel"]))
            peer[place].bias.copy_(tensor(params[name]["bias"]))
    images = tensor(x.transpose(0, 3, 1, 2))
    logits = peer(images)
    torch.nn.functional.cross_entropy(logits, torch.tensor(y)).backward()
    norm = network.batch_statistics

    def loss(p):
        out, after = norm.train(p, norm.init(), _prepared(norm, x), None, None, HYPER)
        return langevin.cross_entropy(out, y).mean(), (out, after)

    gradient, (ours, after) = jax.jit(jax.grad(loss, has_aux=True))(params)
    np.testing.assert_allclose(ours, logits.detach(), atol=1e-5)
    np.testing.assert_allclose(after["conv 2"]["mean"], peer[4].running_mean, atol=1e-6)
    np.testing.assert_allclose(after["conv 2"]["variance"], peer[4].running_var, atol=1e-6)
    got = gradient["conv 2"]["kernel"].reshape(6, 3, 3, first).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(got, peer[3].weight.grad, atol=1e-5)
    np.testing.assert_allclose(gradient["conv 1"]["scale"], peer[1].weight.grad, atol=1e-5)
    peer.eval()
    evaluated = norm.evaluate(params, after, x, None, HYPER)
    np.testing.assert_allclose(evaluated, peer(images).detach(), atol=1e-5)


@pytest.mark.parametrize("config", [SMALL, BY_MOMENTS])
def test_padding_examples_change_nothing(config):
    network = build(config, 2, (8, 8, 1))
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (6, 8, 8, 1))
    norm, y = network.batch_statistics, jnp.array([0, 1, 1, 0])
    weights = jnp.array([1.5, 1.5, 1.5, 1.5, 0.0, 0.0])

    def loss(p, x, y, w):
        out, after = norm.train(p, norm.init(), _prepared(norm, x), w, None, HYPER)
        each = langevin.cross_entropy(out, y)
        return jnp.mean(each if w is None else each * w), after

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    short = gradient(params, x[:4], y, None)
    padded = gradient(params, x, jnp.append(y, y[:2]), weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), short, padded)


def test_long_evaluations_and_preparations_are_cut_into_pieces(monkeypatch):
    network = build(BY_MOMENTS, 2, (8, 8, 1))
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (11, 8, 8, 1))
    norm = network.batch_statistics
    whole = norm.evaluate(params, norm.init(), x, None, HYPER)
    monkeypatch.setattr(normalised, "_PIECE", 4)
    pieces = norm.evaluate(params, norm.init(), x, None, HYPER)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)
    pieces = norm.prepare(x)
    monkeypatch.setattr(normalised, "_PIECE", 11)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), pieces, norm.prepare(x))


def _pool():
    x = jax.random.uniform(jax.random.key(3), (60, 8, 8, 1))
    y = (x[:, :4].mean((1, 2, 3)) > x[:, 4:].mean((1, 2, 3))).astype(jnp.int32)
    return Dataset(x, y, 2, "halves")


@pytest.mark.parametrize("network", [SMALL, BY_MOMENTS])
def test_replicas_train_with_whole_epochs_and_do_not_depend_on_their_neighbours(network):
    pool = _pool()
    pairs = data.supersample(jax.random.key(0), 60, 20, 1, 2)
    config = langevin.Config(
        network=network,
        steps=45,
        batch_size=8,
        batching="whole_epochs",
        learning_rate=0.01,
        clip=None,
        optimizer="adam",
        mapping="map",
    )
    together = langevin.run_replicas(jax.random.key(1), config, pool, pairs)
    assert together.train_loss.max() < 0.3
    assert np.isnan(together.sample_information).all()
    import dataclasses

    alone = dataclasses.replace(config, replicas_per_chunk=1)
    apart = langevin.run_replicas(jax.random.key(1), alone, pool, pairs)
    np.testing.assert_array_equal(together.predictions, apart.predictions)


def test_the_trajectory_account_refuses_batch_statistics_by_name():
    pairs = data.supersample(jax.random.key(0), 60, 20, 1, 2)
    for wrong in ({"account": True, "clip": None}, {"clip": 1.0}):
        config = langevin.Config(network=SMALL, steps=2, **wrong)
        with pytest.raises(ValueError, match="batch statistics"):
            langevin.run_replicas(jax.random.key(1), config, _pool(), pairs)
    with pytest.raises(ValueError, match="whole_epochs"):
        langevin.Config(network=SMALL, batching="whole_epochs")


def test_impossible_networks_are_refused():
    with pytest.raises(ValueError, match="does not fit"):
        build(SMALL, 2, (3, 3, 1))
    with pytest.raises(ValueError, match="precision"):
        NormalisedCNN(precision="float8")
    with pytest.raises(ValueError, match="channels, kernel"):
        NormalisedCNN(((4, 4, 2),))
