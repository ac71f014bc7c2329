import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ibjax.interface import Hyper, LayerFacts
from ibjax.networks import build, from_linen, from_nnx

X = jnp.ones((4, 3))
HYPER = Hyper(0.1, 10.0)


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.relu(nn.Dense(5)(x))
        return nn.Dense(2)(h), (h,)


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.BatchNorm(use_running_average=False)(x))


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.one = nnx.Linear(3, 5, rngs=rngs)
        self.two = nnx.Linear(5, 2, rngs=rngs)

    def __call__(self, x):
        return self.two(nnx.relu(self.one(x)))


class NnxNormalised(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(3, rngs=rngs)

    def __call__(self, x):
        return self.norm(x)


def test_a_linen_module_gives_its_own_logits_and_features():
    module = Linen()
    network = build(from_linen(module), 2, (3,))
    params = network.init(jax.random.key(0), X)
    logits, features = network.apply(params, X, None, HYPER)
    expected, (h,) = module.apply({"params": params}, X)
    np.testing.assert_array_equal(logits, expected)
    np.testing.assert_array_equal(features[0], h)


def test_an_nnx_module_initialises_under_vmap_and_gives_its_own_logits():
    network = from_nnx(lambda rngs: Nnx(rngs))
    keys = jax.random.split(jax.random.key(0), 3)
    stacked = jax.vmap(lambda k: network.init(k, X))(keys)
    one = network.init(keys[1], X)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[1], b), stacked, one)
    logits, features = network.apply(one, X, None, HYPER)
    model = Nnx(nnx.Rngs(params=keys[1]))
    np.testing.assert_allclose(logits, model(X), rtol=1e-6)
    assert features == ()


@pytest.mark.parametrize(
    "network", [from_linen(Normalised()), from_nnx(lambda rngs: NnxNormalised(rngs))]
)
def test_batch_statistics_are_refused_by_name(network):
    with pytest.raises(ValueError, match=r"batch_stats|BatchStat"):
        network.init(jax.random.key(0), X)


class Deep(nn.Module):
    tied: bool = False

    @nn.compact
    def __call__(self, x):
        first = nn.Dense(5, name="first")
        h = nn.tanh(nn.Dense(4)(nn.tanh(first(x))))
        h = h if not self.tied else h + nn.tanh(first(x))[:, :4]
        return nn.Dense(2)(h)


class Inner(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(5)(x))


class Child(Inner):
    @nn.compact
    def __call__(self, x):
        return super().__call__(x)


class Nested(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(Child(name="block")(x))


class NnxDeep(nnx.Module):
    def __init__(self, rngs, dropout=False):
        self.layers = nnx.List([nnx.Linear(3, 5, rngs=rngs), nnx.Linear(5, 2, rngs=rngs)])
        self.drop = nnx.Dropout(0.5, deterministic=not dropout, rngs=rngs)
        self.scale = nnx.Variable(jnp.full(3, 2.0))

    def __call__(self, x):
        return self.layers[1](nnx.tanh(self.drop(self.layers[0](x * self.scale))))


def features(network, key, x=X):
    params = network.init(jax.random.key(0), x)
    return network.apply(params, x, key, HYPER)


MADE = {
    "linen": lambda *facts: from_linen(Deep(), facts),
    "nested": lambda *facts: from_linen(Nested(), facts),
    "nnx": lambda *facts: from_nnx(lambda rngs: NnxDeep(rngs), facts),
}


@pytest.mark.parametrize(
    ("made", "name"), [("linen", "first"), ("nested", "block"), ("nnx", "layers/0")]
)
def test_the_noise_stated_is_the_noise_added(made, name):
    quiet, noisy = MADE[made](), MADE[made](LayerFacts(name, 5, np.inf, noise=0.7))
    x = jax.random.normal(jax.random.key(5), (2000, 3))
    plain, _ = features(quiet, None, x)
    calm, (clean,) = features(noisy, None, x)
    np.testing.assert_allclose(calm, plain, rtol=1e-6)
    logits, (hidden,) = features(noisy, jax.random.key(3), x)
    added = np.asarray(hidden - clean)
    assert abs(added.std() - 0.7) < 4 * 0.7 / np.sqrt(2 * added.size)
    assert (np.abs(np.corrcoef(added.T) - np.eye(5)) < 0.1).all()
    assert (np.abs(logits - calm).max(1) > 0).all()  # and it reaches the logits
    assert noisy.stochastic and not quiet.stochastic


def test_a_diameter_is_enforced_and_dropout_is_within_it():
    facts = LayerFacts("first", 5, 3.0, dropout=0.25)
    network = from_linen(Deep(), (facts,))
    x = 100 * jax.random.normal(jax.random.key(5), (400, 3))
    _, (clean,) = features(network, None, x)
    np.testing.assert_allclose(np.linalg.norm(clean, axis=1).max(), 0.75 * 1.5, rtol=1e-5)
    _, (dropped,) = features(network, jax.random.key(3), x)
    kept = np.asarray(dropped) != 0
    np.testing.assert_allclose(dropped[kept], np.asarray(clean)[kept] / 0.75, rtol=1e-5)
    assert abs(kept.mean() - 0.75) < 4 * np.sqrt(0.25 * 0.75 / kept.size)
    assert np.linalg.norm(dropped, axis=1).max() <= 1.5


def test_the_projection_leaves_what_lies_inside_and_has_a_derivative_at_zero():
    network = from_linen(Deep(), (LayerFacts("first", 5, 1e3),))
    plain = from_linen(Deep())
    params = plain.init(jax.random.key(0), X)
    np.testing.assert_array_equal(
        network.apply(params, X, None, HYPER)[0], plain.apply(params, X, None, HYPER)[0]
    )
    zeros = jax.tree.map(jnp.zeros_like, params)
    slopes = jax.grad(lambda p: network.apply(p, X, None, HYPER)[0].sum())(zeros)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (MADE["linen"](LayerFacts("hidden", 5, 8.0)), "'Dense_0', 'Dense_1', 'first'"),
        (MADE["nnx"](LayerFacts("hidden", 5, 8.0)), "'layers/0', 'layers/1'"),
        (MADE["linen"](LayerFacts("first", 6, 8.0)), "width=6 for 'first'"),
        (
            MADE["linen"](LayerFacts("Dense_0", 4, 8.0), LayerFacts("first", 5, 8.0)),
            "order of the calls",
        ),
        (from_linen(Deep(tied=True), (LayerFacts("first", 5, 8.0),)), "more than once"),
        (from_nnx(lambda rngs: NnxDeep(rngs, dropout=True)), "random numbers of its own"),
        (from_linen(nn.Sequential([nn.Dense(2), nn.Dropout(0.5, deterministic=False)])), "random"),
        (from_nnx(lambda rngs: 3), "make gives 3"),
    ],
)
def test_what_the_module_is_not_is_refused_at_its_first_trace(network, named):
    def both(key):
        return network.apply(network.init(key, X), X, key, HYPER)

    with pytest.raises(ValueError, match=named):
        jax.eval_shape(both, jax.random.key(0))


@pytest.mark.parametrize(
    "facts",
    [
        (LayerFacts("first", 5, 8.0, noise=-1.0),),
        (LayerFacts("first", 5, 8.0, noise=float("inf")),),
        (LayerFacts("first", 5, 0.0),),
        (LayerFacts("first", 5, 8.0, dropout=1.0),),
        (LayerFacts("first", 5, 8.0), LayerFacts("first", 5, 8.0)),
        ("first",),
    ],
)
def test_impossible_facts_are_refused_at_once(facts):
    with pytest.raises(ValueError, match="layers"):
        from_linen(Deep(), facts)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (NnxDeep(nnx.Rngs(0)), r"networks.from_nnx\(lambda rngs: NnxDeep"),
        (NnxDeep, "networks.from_nnx"),
        (Deep, r"such as Deep\(...\)"),
        (lambda x: x, "not an MLP"),
        (None, "not an MLP"),
    ],
)
def test_a_module_passed_as_it_is_is_adapted_or_named_with_its_adapter(module, named):
    assert build(Deep(), 2, (3,)) is build(Deep(), 2, (3,))  # one program for equal modules
    with pytest.raises(ValueError, match=named):
        build(module, 2, (3,))
