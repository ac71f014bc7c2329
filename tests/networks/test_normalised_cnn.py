import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import data, langevin
from ibjax.interface import Dataset, Hyper
from ibjax.networks import NormalisedCNN, build, normalised
from ibjax.networks.convolutions import convolve, patches
from ibjax.networks.normalisation import normalise, normalised_product
from ibjax.networks.products import full, half

HYPER = Hyper(0.1, 100.0)
SMALL = NormalisedCNN(((4, 4, 2, 1), (6, 3, 1, 0)), 5)


@pytest.mark.parametrize(
    ("side", "channels", "kernel", "stride", "padding"),
    [
        (8, 1, 4, 2, 1),
        (8, 3, 4, 2, 1),
        (10, 2, 6, 2, 4),
        (9, 2, 6, 3, 0),
        (4, 2, 6, 3, 4),
        (7, 3, 3, 2, 0),
        (3, 5, 3, 1, 0),
        (6, 2, 3, 1, 1),
    ],
)
def test_every_way_of_convolving_is_the_convolution(side, channels, kernel, stride, padding):
    x = jax.random.normal(jax.random.key(0), (channels, side, side, 4))
    w = jax.random.normal(jax.random.key(1), (kernel, kernel, channels, 3))

    def theirs(w, x):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("CHWN", "HWIO", "CHWN"),
        )

    def ours(w, x):
        return convolve(w.reshape(-1, 3).T, x, kernel, stride, padding)

    np.testing.assert_allclose(ours(w, x), theirs(w, x), atol=1e-4)
    d = jax.random.normal(jax.random.key(2), theirs(w, x).shape)
    for mine, peer in zip(jax.vjp(ours, w, x)[1](d), jax.vjp(theirs, w, x)[1](d)):
        np.testing.assert_allclose(mine, peer, atol=2e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_normalisation_and_its_derivative_are_those_of_the_plain_formula(weighted, x64):
    key = jax.random.key(0)
    y = 2 + jax.random.normal(key, (3, 2, 2, 5))
    scale, bias = jnp.array([1.0, 0.5, -2.0]), jnp.array([0.1, 0.0, 0.3])
    w = jnp.array([1.0, 2.0, 1.0, 0.0, 1.0]) if weighted else None

    def plain(y, scale, bias):
        share = jnp.ones(5) / 5 if w is None else w / w.sum()
        mean = jnp.sum(y * share, 3).mean((1, 2))[:, None, None, None]
        variance = jnp.sum((y - mean) ** 2 * share, 3).mean((1, 2))[:, None, None, None]
        unit = (y - mean) / jnp.sqrt(variance + 1e-5)
        return jax.nn.relu(unit * scale[:, None, None, None] + bias[:, None, None, None])

    def ours(y, scale, bias):
        return normalise(y, scale, bias, w, 1e-5)[0]

    np.testing.assert_allclose(ours(y, scale, bias), plain(y, scale, bias), atol=1e-12)
    d = jax.random.normal(jax.random.key(1), y.shape)
    if weighted:
        d = d * (w > 0)  # the engine gives a padding example no derivative of its own
    mine, peer = (jax.vjp(f, y, scale, bias)[1](d) for f in (ours, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11), mine, peer)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_normalised_product_is_the_normalisation_of_the_product(weighted, x64):
    draw = jax.random.normal(jax.random.key(0), (2, 5, 5, 6))
    kernel = jax.random.normal(jax.random.key(1), (4, 18))
    scale, bias = jnp.array([1.0, 0.5, -2.0, 0.1]), jnp.array([0.1, 0.0, 0.3, -1.0])
    w = jnp.array([1.0, 2.0, 1.0, 0.0, 1.0, 0.5]) if weighted else None
    counts = jnp.ones(6) if w is None else w > 0

    def short(kernel, x, scale, bias):
        return normalised_product(kernel, patches(x, 3, 1, 0), scale, bias, w, 1e-5)

    def long(kernel, x, scale, bias):
        return normalise(convolve(kernel, x, 3, 1, 0), scale, bias, w, 1e-5)

    # Far from zero: the covariance of the patches must not be a difference of large numbers.
    inputs = kernel, 1e4 + draw, scale, bias
    for mine, theirs in zip(short(*inputs), long(*inputs)):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)
    d = jax.random.normal(jax.random.key(2), (4, 3, 3, 6)) * counts
    pulls = (jax.vjp(lambda *a, f=f: f(*a)[0], kernel, draw, *inputs[2:])[1] for f in (short, long))
    for mine, theirs in zip(*(pull(d) for pull in pulls)):
        np.testing.assert_allclose(mine, theirs, atol=1e-11)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_first_layer_gives_the_same_either_way(precision):
    # 27 inputs a window: 14 channels take the moments of the patches, 13 those of the outputs.
    images = jax.random.uniform(jax.random.key(0), (6, 7, 7, 3))
    for channels in (13, 14):
        network = build(NormalisedCNN(((channels, 3, 2, 0),), 5, precision=precision), 2, (7, 7, 3))
        params = network.init(jax.random.key(1), None)
        logits, after = network.batch_statistics.train(
            params, network.batch_statistics.init(), images, None, None, HYPER
        )
        y = convolve(params["conv 1"]["kernel"], jnp.moveaxis(images, (0, 3), (3, 0)), 3, 2, 0)
        np.testing.assert_allclose(after["conv 1"]["mean"], 0.1 * y.mean((1, 2, 3)), atol=1e-3)
        spread = 0.9 + 0.1 * y.reshape(channels, -1).var(1, ddof=1)
        np.testing.assert_allclose(after["conv 1"]["variance"], spread, atol=1e-3)
        assert logits.dtype == jnp.float32


def test_products_have_the_derivatives_of_a_matrix_product(x64):
    a = jax.random.normal(jax.random.key(0), (3, 4))
    b = jax.random.normal(jax.random.key(1), (4, 5))
    d = jax.random.normal(jax.random.key(2), (3, 5))
    for mine, exact in zip(jax.vjp(full, a, b)[1](d), (d @ b.T, a.T @ d)):
        np.testing.assert_allclose(mine, exact, atol=1e-13)
    together = jax.vmap(lambda d: jax.vjp(full, a, b)[1](d)[0])(jnp.stack([d, 2 * d]))
    np.testing.assert_allclose(together[1], 2 * d @ b.T, atol=1e-12)


def test_half_precision_products_stay_within_their_rounding():
    a = jax.random.normal(jax.random.key(0), (3, 4))
    b = jax.random.normal(jax.random.key(1), (4, 5))
    d = jax.random.normal(jax.random.key(2), (3, 5))
    value, pull = jax.vjp(half, a, b)
    assert value.dtype == jnp.float32
    for mine, exact in zip((value, *pull(d)), (a @ b, d @ b.T, a.T @ d)):
        assert mine.dtype == jnp.float32
        assert 0 < float(jnp.max(jnp.abs(mine - exact))) < 0.05


def test_the_published_network_has_the_published_size():
    network = build(normalised.PUBLISHED["standard"], 2, (28, 28, 1))
    assert network is build(NormalisedCNN(), 2, (28, 28, 1))
    sizes = jax.eval_shape(network.init, jax.random.key(0), None)
    # 217,090 with the biases of 32 + 32 + 64 + 256 channels that normalisation subtracts again
    assert sum(a.size for a in jax.tree.leaves(sizes)) == 217_090 - 384


def test_a_training_step_and_the_running_statistics_are_those_of_the_published_program():
    torch = pytest.importorskip("torch")
    network = build(SMALL, 2, (8, 8, 1))
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (6, 8, 8, 1))
    y = np.array([0, 1, 1, 0, 1, 0])
    peer = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 4, 2, 1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 6, 3),
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
        for place, name, kernel, channels in ((0, "conv 1", 4, 1), (3, "conv 2", 3, 4)):
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
        out, after = norm.train(p, norm.init(), x, None, None, HYPER)
        return langevin.cross_entropy(out, y).mean(), (out, after)

    gradient, (ours, after) = jax.jit(jax.grad(loss, has_aux=True))(params)
    np.testing.assert_allclose(ours, logits.detach(), atol=1e-5)
    np.testing.assert_allclose(after["conv 2"]["mean"], peer[4].running_mean, atol=1e-6)
    np.testing.assert_allclose(after["conv 2"]["variance"], peer[4].running_var, atol=1e-6)
    got = gradient["conv 2"]["kernel"].reshape(6, 3, 3, 4).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(got, peer[3].weight.grad, atol=1e-5)
    np.testing.assert_allclose(gradient["conv 1"]["scale"], peer[1].weight.grad, atol=1e-5)
    peer.eval()
    evaluated = norm.evaluate(params, after, x, None, HYPER)
    np.testing.assert_allclose(evaluated, peer(images).detach(), atol=1e-5)


def test_padding_examples_change_nothing():
    network = build(SMALL, 2, (8, 8, 1))
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (6, 8, 8, 1))
    norm, y = network.batch_statistics, jnp.array([0, 1, 1, 0])
    weights = jnp.array([1.5, 1.5, 1.5, 1.5, 0.0, 0.0])

    def loss(p, x, y, w):
        out, after = norm.train(p, norm.init(), x, w, None, HYPER)
        each = langevin.cross_entropy(out, y)
        return jnp.mean(each if w is None else each * w), after

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    short = gradient(params, x[:4], y, None)
    padded = gradient(params, x, jnp.append(y, y[:2]), weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), short, padded)


def test_long_evaluations_are_cut_into_pieces(monkeypatch):
    network = build(SMALL, 2, (8, 8, 1))
    params = network.init(jax.random.key(0), None)
    x = jax.random.uniform(jax.random.key(1), (11, 8, 8, 1))
    norm = network.batch_statistics
    whole = norm.evaluate(params, norm.init(), x, None, HYPER)
    monkeypatch.setattr(normalised, "_PIECE", 4)
    pieces = norm.evaluate(params, norm.init(), x, None, HYPER)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


def _pool():
    x = jax.random.uniform(jax.random.key(3), (60, 8, 8, 1))
    y = (x[:, :4].mean((1, 2, 3)) > x[:, 4:].mean((1, 2, 3))).astype(jnp.int32)
    return Dataset(x, y, 2, "halves")


def test_replicas_train_with_whole_epochs_and_do_not_depend_on_their_neighbours():
    pool = _pool()
    pairs = data.supersample(jax.random.key(0), 60, 20, 1, 2)
    config = langevin.Config(
        network=SMALL,
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
