"""What a ready network says of its layers is tried out: true claims pass, false ones do not."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Dataset, LayerFacts, Network, Supersample
from ibjax.langevin import Config, run_replicas
from ibjax.langevin.prepared import network_of
from ibjax.networks import CNN, MLP, build, from_linen

WIDE = 2 * np.sqrt(5)


def facts(noise=0.5, diameter=WIDE, dropout=0.0):
    return tuple(LayerFacts(n, 5, diameter, noise, dropout) for n in ("one", "two"))


def network(layers, fault="", std=0.5, last=lambda z: z):
    """Two tanh layers with noise, and one thing wrong with them."""

    def init(key, x):
        a, b, c = jax.random.split(key, 3)
        shapes = {"a": (a, (3, 5)), "b": (b, (5, 5)), "c": (c, (5, 2))}
        return {n: jax.random.normal(k, s) for n, (k, s) in shapes.items()}

    def draw(key, shape):
        if fault == "uniform":
            return jax.random.uniform(key, shape, minval=-(3**0.5), maxval=3**0.5)
        if fault == "shared":
            return jnp.broadcast_to(jax.random.normal(key, (shape[0], 1)), shape)
        return jax.random.normal(key, shape)

    def apply(params, x, key, hyper):
        h = (jax.nn.relu if fault == "relu" else jnp.tanh)(x @ params["a"])
        one = two = None if key is None else key
        if key is not None and fault != "twice":
            one, two = jax.random.split(key)
        xi = 0.0 if one is None else std * draw(one, h.shape)
        xi = h * xi if fault == "multiplied" else xi
        t = h + xi
        g = jnp.tanh((t - xi if fault == "undone" else t) @ params["b"])
        g = g - g.mean(0) if fault == "batch" else g
        u = g if two is None or fault == "missing" else g + std * draw(two, g.shape)
        z = (u + x[:, :1] if fault == "skip" else u) @ params["c"]
        if fault == "more" and key is not None:
            z = z + jax.random.normal(jax.random.fold_in(key, 2), z.shape)
        features = {"few": (t,), "copy": (t + 0.0, u)}.get(fault, (t, u))
        return last(z), features

    return Network(init, apply, layers)


def look(net, shape=(3,), dtype="float32"):
    return network_of(net, 2, shape, dtype)


@pytest.mark.parametrize(
    "config",
    [MLP(2, 4, noise=0.3, dropout=0.2), MLP(2, 4, dropout=0.3), CNN((2,), 3, 2, 3, noise=0.1)],
)
def test_the_networks_of_the_library_are_what_they_say(config):
    shape = (4, 4, 1) if isinstance(config, CNN) else (3,)
    assert look(build(config, 2, shape), shape).stochastic


def test_a_true_claim_of_ones_own_passes_unchanged():
    mine = network(facts())
    assert look(mine) is mine


@pytest.mark.parametrize(
    ("layers", "fault", "named"),
    [
        (facts(), "uniform", "not what network.apply draws"),
        (facts(), "multiplied", "not what network.apply draws"),
        (facts(), "missing", "'two', but that is not what"),
        (facts(), "undone", "'two', but that is not what"),
        (facts(noise=0.6), "", "not what network.apply draws"),
        (facts(dropout=0.2), "", "not what network.apply draws"),
        (facts(0.0, dropout=0.3), "", "not state|keeps a share"),
        (facts(), "shared", "same noise twice, within 'one'"),
        (facts(), "twice", "same noise twice, in 'one' and 'two'"),
        (facts(), "skip", "through 'one' alone"),
        (facts(), "copy", "through 'one' alone"),
        (facts(), "batch", "another example of its batch"),
        (facts(), "more", "does not state"),
        (facts()[:1], "", "does not state"),
        ((), "", "does not state"),
        (facts(diameter=4.0), "", "diameter=4 of 'one'"),
        (facts(), "relu", "noiseless outputs lie"),
        (facts(), "few", "gives 1 features"),
        (tuple(f._replace(width=4) for f in facts()), "", "width=4 for 'one'"),
    ],
)
def test_a_false_claim_is_refused_by_name(layers, fault, named):
    with pytest.raises(ValueError, match=named):
        look(network(layers, fault))


@pytest.mark.parametrize(
    ("last", "named"),
    [
        (lambda z: z[:, :1], r"\(3, 1\).*jnp.concatenate\(\[jnp.zeros_like\(z\), z\], axis=-1\)"),
        (lambda z: z[:, 0], r"\(3,\).*zeros_like"),
        (lambda z: jnp.concatenate([z, z[:, :1]], 1), r"\(3, 3\).*last layer 2 units"),
        (lambda z: z[:, None], r"\(3, 1, 2\).*as a whole"),
        (lambda z: z.T, r"\(2, 3\)"),
        (lambda z: {"logits": z}, "a dict"),
        (lambda z: jnp.round(z).astype(jnp.int32), "int32"),
    ],
)
def test_outputs_that_are_no_logits_are_refused_with_what_is_needed(last, named):
    with pytest.raises(ValueError, match=f"{named}") as error:
        look(network(facts(), last=last))
    assert "(3, 2)" in str(error.value)


def test_products_that_are_not_the_gradients_are_refused():
    plain = build(MLP(1, 4), 2, (3,))
    inputs = lambda p, x, k, h, o: plain.taps(p, 2 * x, k, h, o)  # noqa: E731
    with pytest.raises(ValueError, match=r"network.taps and network.assemble"):
        look(plain._replace(taps=inputs))
    double = lambda *a: jax.tree.map(lambda g: 2 * g, plain.assemble(*a))  # noqa: E731
    with pytest.raises(ValueError, match=r"network.taps and network.assemble"):
        look(plain._replace(assemble=double))


def gated(what):
    """A noisy tanh layer, and a parameter that starts at 0 by which training breaks a claim."""

    def init(key, x):
        kernel, head = (
            jax.random.normal(k, s) for k, s in zip(jax.random.split(key), ((3, 5), (5, 2)))
        )
        return {"kernel": kernel, "head": head, "gate": jnp.zeros(())}

    def apply(params, x, key, hyper):
        gate, z = params["gate"], x @ params["kernel"]
        h = jnp.tanh(z - (gate * z.mean(0) if what == "batch" else 0.0))
        h = h * (1 + gate**2) if what == "gain" else h
        xi = 0.0 if key is None else 0.5 * jax.random.normal(key, h.shape)
        h = h + (jnp.exp(-gate) if what == "noise" else 1.0) * xi
        return h @ params["head"], (h,)

    return Network(init, apply, (LayerFacts("one", 5, WIDE, noise=0.5),))


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("noise", "'one', but that is not what network.apply draws"),
        ("gain", "diameter=4.47214 of 'one'"),
        ("batch", "when another example of its batch changes"),
    ],
)
def test_a_claim_that_holds_at_the_start_alone_is_refused(what, named):
    with pytest.raises(ValueError, match=named):
        look(gated(what))


def test_a_ready_network_gets_the_noise_its_layers_state():
    """The noise of a built MLP comes from outside; passed ready, it must not be lost."""
    config = MLP(2, 4, noise=0.3)
    pool, pairs = coins(24)
    plain = Config(config, steps=3, noise_draws=2)
    got = [
        run_replicas(jax.random.key(0), c, pool, pairs)
        for c in (plain, Config(build(config, 2, (3,)), steps=3, noise_draws=2))
    ]
    np.testing.assert_array_equal(got[0].predictions, got[1].predictions)
    np.testing.assert_array_equal(got[0].layer_noise, got[1].layer_noise)


def coins(size, replicas=4):
    """Inputs that say nothing about their labels."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(size, 3)).astype(np.float32), rng.integers(0, 2, size)
    index = rng.permutation(size).reshape(1, -1, 2)
    return Dataset(x, y, 2, "coins"), Supersample(
        index, rng.integers(0, 2, (1, replicas, size // 2))
    )


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(jnp.tanh(nn.Dense(16, name="h")(x)))


def test_stated_noise_keeps_a_network_from_learning_coin_flips():
    pool, pairs = coins(40)
    errors = []
    for layers in ((), (LayerFacts("h", 16, 8.0, noise=100.0),)):
        config = Config(
            from_linen(Net(), layers),
            steps=150,
            learning_rate=1.0,
            inverse_temperature=3e4,
        )
        got = run_replicas(jax.random.key(0), config, pool, pairs)
        assert got.layer_noise.tolist() == [100.0] * len(layers)
        errors.append(got.train_error.mean())
    assert errors[0] + 0.1 < errors[1]


def test_noise_that_does_not_follow_the_layers_noise_has_no_opposite():
    with pytest.raises(ValueError, match=r"network\.antithetic says"):
        look(network(facts())._replace(antithetic=True))
    for ready in (MLP(depth=2, width=4, noise=0.3), CNN(noise=0.2)):
        shape = (3,) if isinstance(ready, MLP) else (12, 12, 1)
        built = build(ready, 2, shape)
        assert built.antithetic and network_of(built, 2, shape, "float32").antithetic


@pytest.mark.parametrize("many", [False, True])
def test_noise_that_is_drawn_for_a_few_inputs_alone_is_none(many):
    """It is tried on a few, and evaluated on all of a replica together."""
    from ibjax.langevin import Settings, train_many

    def apply(params, x, key, hyper):
        h = jnp.tanh(x @ params["in"])
        if key is not None and len(x) <= 8:
            h = h + 4 * jax.random.normal(key, h.shape)
        return h @ params["out"], (h,)

    def init(key, x):
        return {"in": jax.random.normal(key, (3, 4)), "out": jnp.ones((4, 2))}

    rng = np.random.default_rng(0)
    pool = Dataset(rng.normal(size=(20, 3)).astype("f"), np.arange(20) % 2, 2, "toy")
    pairs = Supersample(rng.permutation(20).reshape(1, 10, 2), rng.integers(0, 2, (1, 1, 10)))
    network = Network(init, apply, layers=(LayerFacts("hidden", 4, 4.0, noise=4.0),))
    config = Config(network, steps=1)
    with pytest.raises(ValueError, match="other operations for 20 inputs"):
        if many:
            list(train_many([Settings(jax.random.key(0), config, pairs)], pool))
        else:
            run_replicas(jax.random.key(0), config, pool, pairs)
