import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from ibjax.interface import Hyper
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
