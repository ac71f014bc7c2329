"""Programs follow what schedules and losses compute, though they be the same objects."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ibjax import bounds
from ibjax.interface import Dataset, LayerFacts, Network, Supersample
from ibjax.langevin import Config, cross_entropy, run_replicas
from ibjax.langevin.config import static
from ibjax.langevin.frozen import frozen_schedule
from ibjax.langevin.prepared import network_of
from ibjax.langevin.programs import compiled
from ibjax.networks import MLP, from_linen

RNG = np.random.default_rng(0)
POOL = Dataset(RNG.normal(size=(40, 3)).astype("f"), np.arange(40) % 2, 2, "toy")
PAIRS = Supersample(RNG.permutation(40)[:20].reshape(1, 10, 2), RNG.integers(0, 2, (1, 2, 10)))
KEY = jax.random.key(0)


def test_a_schedule_that_has_changed_trains_and_certifies_as_it_is_now():
    """The program of the old one was taken: large steps, under the certificate of small ones."""
    rate, scale = [0.5], [1.0]

    def loss(z, y):
        return scale[0] * cross_entropy(z, y)

    config = Config(
        MLP(1, 2), steps=8, learning_rate=lambda t: rate[0], inverse_temperature=1e4, loss=loss
    )
    large = run_replicas(KEY, config, POOL, PAIRS)
    rate[0] = 1e-7
    small = run_replicas(KEY, config, POOL, PAIRS)
    assert np.allclose(small.step_sizes, 1e-7) and not np.allclose(large.train_loss, 0.7, atol=0.02)
    still = run_replicas(
        KEY, Config(MLP(1, 2), steps=8, learning_rate=1e-7, inverse_temperature=1e4), POOL, PAIRS
    )
    np.testing.assert_allclose(small.train_loss, still.train_loss, atol=1e-5)
    gaps = [
        float(bounds.evaluate(e, names=["individual"])["individual"].value) for e in (large, small)
    ]
    assert gaps[1] < 0.01 < gaps[0]
    scale[0] = 3.0
    np.testing.assert_allclose(
        run_replicas(KEY, config, POOL, PAIRS).train_loss, 3 * small.train_loss, rtol=1e-4
    )


class Small(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.Dense(4)(x)))


def test_what_has_not_changed_is_not_compiled_again():
    """Rules of derivatives carry addresses that are new in every trace."""
    config = Config(
        from_linen(Small()), steps=2, loss=lambda z, y: jax.nn.relu(1 - (2 * y - 1) * z[:, 1])
    )
    run_replicas(KEY, config, POOL, PAIRS)
    before = compiled.cache_info().misses, network_of.cache_info().misses
    run_replicas(KEY, config, POOL, PAIRS)
    assert (compiled.cache_info().misses, network_of.cache_info().misses) == before


def test_a_network_that_no_longer_draws_its_noise_is_looked_at_again():
    """Pairs of another size are another program, under the facts that were checked before."""
    noise = [4.0]

    def init(key, x):
        return {"in": jax.random.normal(key, (3, 4)), "out": jnp.ones((4, 2))}

    def apply(params, x, key, hyper):
        h = jnp.tanh(x @ params["in"])
        h = h if key is None else h + noise[0] * jax.random.normal(key, h.shape)
        return h @ params["out"], (h,)

    network = Network(init, apply, layers=(LayerFacts("hidden", 4, 4.0, noise=4.0),))
    config = Config(network, steps=2)
    assert run_replicas(KEY, config, POOL, PAIRS).layer_log1m[0] > -1
    noise[0] = 0.0
    for pairs in (PAIRS, Supersample(PAIRS.index[:, :8], PAIRS.mask[..., :8])):
        with pytest.raises(ValueError, match="that is not what network"):
            run_replicas(KEY, config, POOL, pairs)


def test_equal_schedules_share_a_program_and_others_do_not():
    eta = optax.exponential_decay(0.1, 4, 0.5)
    one, two = (static(Config(MLP(1, 2), steps=s, learning_rate=eta)) for s in (3, 9))
    assert one == two == static(one) and hash(one) == hash(two)
    assert float(one.learning_rate(jnp.int32(4))) == pytest.approx(0.05)
    table = np.array([0.1, 0.2])
    first = frozen_schedule(lambda t: jnp.asarray(table)[t])
    table[1] = 0.3
    assert frozen_schedule(first).computes != first.computes


def test_a_schedule_that_is_never_the_same_is_refused():
    draws = np.random.default_rng(0)
    for name in ("learning_rate", "inverse_temperature"):
        config = Config(MLP(1, 2), steps=2, **{name: lambda t: draws.uniform(0.1, 0.2)})
        with pytest.raises(ValueError, match=f"{name} is a schedule that computes something else"):
            run_replicas(KEY, config, POOL, PAIRS)
