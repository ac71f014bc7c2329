"""Steps that stay bounded, networks that diverge, batches that are what the evidence says."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import langevin
from ibjax.interface import BATCHINGS, Dataset, Hyper, Network, Supersample
from ibjax.langevin import Config, batches, cross_entropy, run_replicas, track
from ibjax.langevin.candidates import candidates
from ibjax.networks import MLP, build, from_linen

KEY = jax.random.key(0)


def step_gradient(network, params, *given, **how):
    """One program: operation by operation it is a hundred, each compiled for its shapes."""
    return jax.jit(lambda p: langevin.step_gradient(network, p, *given, **how))(params)


def broken(z, y):
    """Cross-entropy whose derivative is NaN where the example is classified wrongly."""
    wrong = (z[:, 1] - z[:, 0]) * (2 * y - 1) < 0
    return cross_entropy(z, y) + jnp.sqrt(jnp.where(wrong, 0 * z[:, 0], 1.0))


@pytest.mark.parametrize("tapped", [True, False])
def test_a_gradient_that_is_not_finite_counts_as_zero(tapped):
    network = build(MLP(depth=2, width=4), 2, (3,))
    network = network if tapped else network._replace(taps=None)
    x, y = jax.random.normal(jax.random.key(1), (8, 3)), jnp.arange(8) % 2
    params = jax.jit(network.init)(KEY, x)
    hyper = Hyper(0.1, 1.0, clip=jnp.float32(0.2))

    def gradient(rows, loss):
        got = step_gradient(
            network, params, x[rows], y[rows], None, 8, KEY, hyper, True, True, loss
        )
        return ravel_pytree(got.gradient)[0], got

    logits, _ = network.apply(params, x, None, hyper)
    right = np.flatnonzero(np.argmax(logits, 1) == y)
    assert 0 < len(right) < 8
    flat, got = gradient(jnp.arange(8), broken)
    expected, _ = gradient(right, cross_entropy)
    np.testing.assert_allclose(flat, expected, rtol=1e-5, atol=1e-7)
    assert (np.asarray(got.norms_sq)[np.setdiff1d(np.arange(8), right)] == 0).all()
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(got.examples))

    @jax.jit
    def gram(params):
        pairs = x[:, None], y[:, None]
        return candidates(network, params, *pairs, hyper, True, loss=broken).gram()

    np.testing.assert_allclose(gram(params)[:, 0, 0], got.norms_sq, rtol=1e-4, atol=1e-9)
    unclipped = step_gradient(network, params, x, y, None, 8, KEY, hyper, False, loss=broken)
    assert bool(jnp.isnan(ravel_pytree(unclipped.gradient)[0]).any())  # nothing bounds it


@pytest.mark.parametrize("scale", [1e18, 1e25])
def test_a_gradient_whose_square_overflows_is_bounded_too(scale):
    network = build(MLP(depth=1, width=4, activation="identity"), 2, (3,))
    x, y = jnp.ones((2, 3)).at[0].mul(scale), jnp.array([0, 1])
    params = jax.jit(network.init)(KEY, x)
    got = step_gradient(
        network, params, x, y, None, 1, KEY, Hyper(1.0, 1.0, jnp.float32(0.5)), True
    )
    assert float(jnp.linalg.norm(ravel_pytree(got.gradient)[0])) <= 1.0 + 1e-5


def coins(size, k1, k2, d=2, seed=0):
    rng = np.random.default_rng(seed)
    pool = Dataset(rng.normal(size=(200, d)).astype("f"), rng.integers(0, 2, 200), 2, "coins")
    index = np.stack([rng.permutation(200)[: 2 * size].reshape(size, 2) for _ in range(k1)])
    return pool, Supersample(index, rng.integers(0, 2, (k1, k2, size)))


def test_replicas_that_would_diverge_by_their_data_stay_within_the_certificate():
    """The loss breaks where the network errs: dropping those replicas showed a gap of 0.4."""
    pool, pairs = coins(3, 40, 5)
    config = Config(
        MLP(1, 8), steps=1, learning_rate=1.0, inverse_temperature=4.0, clip=0.05, loss=broken
    )
    got = run_replicas(KEY, config, pool, pairs)
    assert not got.diverged.any() and got.bounded_steps == 1.0
    certificate = np.sqrt(1.0 * 4.0 * 0.05**2 / (4 * 3**2) / 2)
    gaps = (got.test_error - got.train_error)[..., -1].mean(1)
    assert abs(gaps.mean()) < certificate + 4 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    loose = run_replicas(KEY, dataclasses.replace(config, clip=np.inf, steps=2), pool, pairs)
    assert loose.bounded_steps == 0.0 and np.isinf(loose.clip) and loose.diverged.mean() > 0.5
    gone = loose.diverged
    assert (loose.train_error[gone] == 1).all() and (loose.test_error[gone] == 1).all()
    assert (loose.predictions[gone] == -1).all() and np.isnan(loose.train_loss[gone]).all()
    assert np.isfinite(loose.train_error).all()


def undecided(value):
    """Logits that favour class 0, but are `value` where the first input is positive."""

    def init(key, x):
        return {"w": jnp.zeros(2)}

    def apply(params, x, key, hyper):
        z = jnp.stack([jnp.ones(x.shape[0]), jnp.zeros(x.shape[0])], 1) + params["w"]
        return jnp.where(x[:, :1] > 0, jnp.array([value, 0.0]), z), ()

    return Network(init, apply)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_example_whose_logits_are_not_finite_is_an_error(value):
    pool, pairs = coins(6, 1, 3)
    pool = pool._replace(y=np.zeros(200))
    config = Config(undecided(value), steps=1, learning_rate=1e-6)
    got = run_replicas(KEY, config, pool, pairs)
    lost = pool.x[pairs.index, 0] > 0
    np.testing.assert_array_equal(
        got.predictions[0, :, 0], np.where(lost[0], -1, 0)[None].repeat(3, 0)
    )
    train = np.take_along_axis(lost[0][None], pairs.mask[0][..., None], 2)[..., 0].mean(1)
    np.testing.assert_allclose(got.train_error[0, :, 0], train, rtol=1e-6)
    rows = pairs.index[0].T
    tracked = track(KEY, config, pool, rows[:1], rows[1:, :, None], rows[1:])
    np.testing.assert_allclose(tracked.train_error[0, 0], lost[0, :, 0].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("full", 7)),
        ({"batch_size": 3}, ("without_replacement", 3)),
        ({"batch_size": 7, "batching": "poisson"}, ("full", 7)),
        ({"batch_size": 3, "clip": None}, ("epochs", 3)),
        ({"batch_size": 3, "optimizer": "adam"}, ("epochs", 3)),
        ({"batch_size": 3, "batching": "fixed"}, ("fixed", 3)),
        ({"batch_size": 3, "batching": "whole_epochs", "optimizer": "sgd"}, ("whole_epochs", 1)),
        ({"batch_size": 7, "batching": "with_replacement"}, ("with_replacement", 7)),
    ],
)
def test_the_scheme_of_the_batches_and_the_smallest(change, expected):
    config = dataclasses.replace(Config(), **change)
    batching, b = batches.scheme(config, 7)
    assert (batching, batches.smallest(7, b, batching)) == expected


@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_step_divides_by_the_constant_b_but_for_whole_epochs(batching):
    """The weight of a member over b: 1/b, whatever the number of members."""
    order, b = jnp.arange(7), 7 if batching == "full" else 3
    for t in range(6):
        member, weights = batches.draw(KEY, jnp.int32(t), order, b, batching)
        weights = np.ones(len(member)) if weights is None else np.asarray(weights)
        members = np.flatnonzero(weights)
        expected = b / len(members) if batching == "whole_epochs" else 1.0
        np.testing.assert_allclose(weights[members], expected, rtol=1e-6)
        assert batching == "poisson" or batching == "whole_epochs" or len(members) == b


def test_the_evidence_says_how_it_was_trained():
    pool, pairs = coins(5, 1, 2)
    config = Config(MLP(1, 2), steps=2, batch_size=2, shared_randomness=True)
    got = run_replicas(KEY, config, pool, pairs)
    assert BATCHINGS[int(got.batching)] == "without_replacement"
    assert (got.smallest_batch, got.shared_batches, got.bounded_steps) == (2.0, 1.0, 1.0)
    assert all(v.dtype == np.float64 for v in (got.batching, got.smallest_batch))


class Tokens(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.Embed(50, 4, param_dtype=jnp.bfloat16)(x).mean(1)
        return nn.Dense(2, param_dtype=jnp.float16, dtype=jnp.float16)(h)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_tokens_stay_whole_and_half_precision_parameters_keep_small_steps(clip):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, (40, 3))
    pool = Dataset(x, (x[:, 0] % 2).astype(bool), 2, "tokens")
    pairs = Supersample(rng.permutation(40).reshape(1, 20, 2), rng.integers(0, 2, (1, 2, 20)))
    config = Config(from_linen(Tokens()), steps=400, learning_rate=0.3, inverse_temperature=1e6)
    got = run_replicas(KEY, dataclasses.replace(config, clip=clip), pool, pairs)
    assert got.train_error.max() < 0.2 and not got.diverged.any()
    assert got.dim == 50 * 4 + 4 * 2 + 2
    # a step far below the resolution of the parameters still moves them in the end
    slow = dataclasses.replace(config, clip=clip, learning_rate=3e-4, steps=2000)
    assert run_replicas(KEY, slow, pool, pairs).train_loss.mean() < 0.69
