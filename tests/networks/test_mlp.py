import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Hyper
from ibjax.networks import MLP, build
from ibjax.networks.mlp import _root

X = jnp.linspace(0.0, 1.0, 5 * 6).reshape(5, 6)
QUIET = Hyper(0.1, 100.0)


def test_features_are_every_hidden_layer_and_logits_follow_from_the_last():
    network = build(MLP(depth=3, width=4), 2, (6,))
    params = network.init(jax.random.key(0), X)
    logits, features = network.apply(params, X, None, QUIET)
    assert len(features) == 3 and len(network.layers) == 3
    h = jnp.tanh(X @ params["first"]["kernel"] + params["first"]["bias"])
    np.testing.assert_allclose(features[0], h, rtol=1e-6)
    for i in range(2):
        h = jnp.tanh(h @ params["hidden"][i, :-1] + params["hidden"][i, -1])
    np.testing.assert_allclose(features[2], h, rtol=1e-5)
    expected = h @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("activation", "expected"), [("tanh", 2 * 3.0), ("sigmoid", 3.0), ("relu", np.inf)]
)
def test_a_layer_knows_its_diameter(activation, expected):
    network = build(MLP(depth=1, width=9, activation=activation, noise=0.3), 2, (6,))
    (layer,) = network.layers
    assert layer.diameter == expected and layer.noise == 0.3 and layer.width == 9


def test_no_pair_of_inputs_is_further_apart_than_the_diameter():
    config = MLP(depth=2, width=8, dropout=0.5)
    network = build(config, 2, (6,))
    params = jax.tree.map(lambda p: 50 * p, network.init(jax.random.key(1), X))
    x = 100 * jax.random.normal(jax.random.key(2), (64, 6))
    _, features = network.apply(params, x, jax.random.key(3), QUIET)
    for h, layer in zip(features, network.layers):
        distance = jnp.linalg.norm(h[:, None] - h[None], axis=-1)
        assert float(distance.max()) <= layer.diameter + 1e-4


def test_noise_has_the_stated_deviation_and_no_key_means_none():
    network = build(MLP(depth=1, width=50, noise=0.7), 2, (6,))
    params = network.init(jax.random.key(0), X)
    hyper = QUIET._replace(layer_noise=0.7)
    x = jnp.broadcast_to(X[:1], (400, 6))
    _, (clean,) = network.apply(params, x, None, hyper)
    _, (noisy,) = network.apply(params, x, jax.random.key(5), hyper)
    residual = np.asarray(noisy - clean)
    # 20000 draws: the standard error of the deviation is 0.7 / sqrt(40000)
    assert abs(residual.std() - 0.7) < 4 * 0.7 / 200
    assert abs(residual.mean()) < 4 * 0.7 / np.sqrt(residual.size)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_padded_depth_gives_the_numbers_of_the_exact_depth(depth):
    exact = build(MLP(depth=depth, width=5, noise=0.2), 3, (6,))
    padded = build(MLP(depth=depth, width=5, noise=0.2, padded_to=4), 3, (6,))
    hyper = QUIET._replace(layer_noise=0.2, depth=depth)
    key = jax.random.key(7)
    small, large = exact.init(key, X), padded.init(key, X)
    np.testing.assert_array_equal(small["hidden"], large["hidden"][: depth - 1])
    a, features = exact.apply(small, X, jax.random.key(8), hyper)
    b, more = padded.apply(large, X, jax.random.key(8), hyper)
    np.testing.assert_array_equal(a, b)
    for f, g in zip(features, more):
        np.testing.assert_array_equal(f, g)
    assert all(bool(jnp.isnan(g).all()) for g in more[depth:])
    used = padded.trainable(large, hyper)["hidden"].sum()
    assert int(used) == small["hidden"].size


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"depth": 0}, "depth=0"),
        ({"width": 0}, "width=0"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"noise": np.inf}, "noise=inf"),
        ({"noise": np.nan}, "noise=nan"),
        ({"noise": 1e39}, r"noise=1e\+39"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"activation": "swoosh"}, "swoosh"),
        ({"depth": 3, "padded_to": 2}, "padded_to=2"),
    ],
)
def test_a_wrong_description_is_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        MLP(**wrong)


WIDE = MLP(depth=2, width=5, noise=0.7)


@pytest.mark.parametrize("how", ["any", "twice", "none", "more", "large"])
def test_a_root_of_the_kernel_is_there_whatever_its_rank(how, x64):
    kernel = np.random.default_rng(0).normal(size=(6, 4))
    if how == "twice":
        kernel[:, 2] = kernel[:, 0]
        kernel[:, 3] = kernel[:, 0] + kernel[:, 1]
    if how == "none":
        kernel[:, [0, 2]] = 0.0
    if how == "more":
        kernel = kernel[:3]
    if how == "large":
        kernel = kernel * 1e18
    wanted = kernel.T @ kernel
    for dtype, rtol in ((np.float32, 1e-6), (np.float64, 1e-14)):
        root = np.asarray(_root(jnp.asarray(kernel, dtype)), np.float64)
        assert root.shape == (4, 4)
        np.testing.assert_allclose(root.T @ root, wanted, atol=4 * rtol * np.abs(wanted).max())


def test_the_logits_have_the_law_they_have_given_the_noise_before_the_last():
    """Mean and covariance: of the network with its last layer undisturbed, and s^2 W^T W."""
    network, rows, hyper = build(WIDE, 3, (6,)), 20_000, QUIET._replace(layer_noise=0.7)
    params = network.init(jax.random.key(0), X)
    x, key = jnp.broadcast_to(X[:1], (rows, 6)), jax.random.key(5)
    first = network.apply(params, x, key, hyper)[1][0]
    layer = params["hidden"][0]
    last = jnp.tanh(first @ layer[:-1] + layer[-1])
    kernel, bias = params["head"]["kernel"], params["head"]["bias"]
    root = network.last_noise.factor(params)
    added = network.last_noise.logits(params, x, key, hyper, root) - (last @ kernel + bias)
    wanted, found = 0.7**2 * kernel.T @ kernel, added.T @ added / rows
    spread = jnp.sqrt((wanted**2 + jnp.outer(jnp.diag(wanted), jnp.diag(wanted))) / rows)
    assert (jnp.abs(found - wanted) < 5 * spread).all()
    assert (jnp.abs(added.mean(0)) < 5 * jnp.sqrt(jnp.diag(wanted) / rows)).all()
    assert (jnp.abs(added[1:].T @ added[:-1] / rows) < 5 * spread).all()  # fresh in every row
    opposite = network.last_noise.logits(params, x, key, hyper._replace(layer_noise=-0.7), root)
    last = jnp.tanh((2 * jnp.tanh(x @ params["first"]["kernel"]) - first) @ layer[:-1] + layer[-1])
    np.testing.assert_allclose(opposite - (last @ kernel + bias), -added, atol=2e-5)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_padded_network_draws_the_same_logits(depth):
    keys, hyper = jax.random.split(jax.random.key(1)), QUIET._replace(layer_noise=0.7, depth=depth)
    found = []
    for padded in (None, 3):
        network = build(dataclasses.replace(WIDE, depth=depth, padded_to=padded), 2, (6,))
        params = network.init(keys[0], X)
        root = network.last_noise.factor(params)
        found.append(network.last_noise.logits(params, X, keys[1], hyper, root))
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_units_that_are_dropped_are_so_for_the_logits_too():
    network, key = build(dataclasses.replace(WIDE, dropout=0.5), 2, (6,)), jax.random.key(3)
    params, still = network.init(jax.random.key(0), X), QUIET._replace(layer_noise=0.0)
    drawn = network.last_noise.logits(params, X, key, still, network.last_noise.factor(params))
    np.testing.assert_allclose(drawn, network.apply(params, X, key, still)[0], rtol=1e-6)


def test_nothing_is_said_where_nothing_is_saved():
    assert build(WIDE, 5, (6,)).last_noise is None
    assert build(dataclasses.replace(WIDE, noise=0.0), 2, (6,)).last_noise is None
