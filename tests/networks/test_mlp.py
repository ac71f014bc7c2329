import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Hyper
from ibjax.networks import MLP, build

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
