import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import langevin
from ibjax.interface import Hyper
from ibjax.langevin import cross_entropy
from ibjax.networks import CNN, MLP, build

X = jax.random.normal(jax.random.key(0), (6, 4, 4, 1))
Y = jnp.array([0, 1, 1, 0, 2, 1])
KEY = jax.random.key(9)


def step_gradient(network, params, *given, **how):
    """One program: operation by operation it is a hundred, each compiled for its shapes."""
    return jax.jit(lambda p: langevin.step_gradient(network, p, *given, **how))(params)


def per_example(network, params, hyper):
    """Slow twin: one gradient an example."""

    def loss(p, x, y):
        return cross_entropy(network.apply(p, x[None], None, hyper)[0], y[None])[0]

    gradient = jax.jit(jax.grad(loss))
    return [gradient(params, x, y) for x, y in zip(X, Y)]


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize(
    "config", [MLP(depth=1, width=5), MLP(depth=3, width=5), CNN((3,), width=4)]
)
@pytest.mark.parametrize("weights", [None, jnp.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])])
def test_clipped_mean_and_norms_agree_with_one_gradient_an_example(config, weights):
    network = build(config, 3, (4, 4, 1))
    params = jax.jit(network.init)(jax.random.key(1), X)
    gradients = np.stack([flat(g) for g in per_example(network, params, None)])
    norms = np.linalg.norm(gradients, axis=1)
    clip = float(np.median(norms))
    hyper = Hyper(0.1, 1.0, clip=jnp.float32(clip))
    w = np.ones(6) if weights is None else np.asarray(weights)
    clipped = gradients * np.minimum(1, clip / norms)[:, None] * w[:, None]
    got = step_gradient(network, params, X, Y, weights, 4, KEY, hyper, True)
    np.testing.assert_allclose(flat(got.gradient), clipped.sum(0) / 4, atol=2e-6)
    np.testing.assert_allclose(got.norms_sq, (clipped**2).sum(1), rtol=1e-4, atol=1e-9)


def test_without_clipping_it_is_the_gradient_of_the_mean_loss():
    network = build(MLP(depth=2, width=5), 3, (4, 4, 1))
    params = jax.jit(network.init)(jax.random.key(1), X)
    hyper = Hyper(0.1, 1.0)

    def loss(p):
        return jnp.mean(cross_entropy(network.apply(p, X, None, hyper)[0], Y))

    value, expected = jax.jit(jax.value_and_grad(loss))(params)
    got = step_gradient(network, params, X, Y, None, 6, KEY, hyper, False)
    np.testing.assert_allclose(flat(got.gradient), flat(expected), atol=1e-6)
    np.testing.assert_allclose(got.loss, value, rtol=1e-6)
    plain = network._replace(taps=None)
    fallback = step_gradient(plain, params, X, Y, None, 6, KEY, hyper, False)
    np.testing.assert_allclose(flat(fallback.gradient), flat(expected), atol=1e-6)
    assert bool(jnp.isnan(fallback.norms_sq).all())


def test_the_padded_layers_of_a_network_have_no_gradient():
    network = build(MLP(depth=2, width=5, padded_to=4), 3, (4, 4, 1))
    params = jax.jit(network.init)(jax.random.key(1), X)
    hyper = Hyper(0.1, 1.0, clip=jnp.float32(0.5), depth=2)
    got = step_gradient(network, params, X, Y, None, 6, KEY, hyper, True)
    assert float(jnp.abs(got.gradient["hidden"][1:]).max()) == 0.0
    assert float(jnp.abs(got.gradient["hidden"][0]).max()) > 0.0


@pytest.mark.parametrize("tapped", [True, False])
def test_ghosts_are_given_beside_the_batch_and_leave_it_as_it_is(tapped):
    network = build(MLP(depth=2, width=5, noise=0.3), 3, (4, 4, 1))
    network = network if tapped else network._replace(taps=None)
    params = jax.jit(network.init)(jax.random.key(1), X)
    given = (None, 6, KEY, Hyper(0.1, 1.0, clip=jnp.float32(0.4), layer_noise=0.3), True, True)
    ghosts = X[::-1] + 1, jnp.flip(Y)
    got = step_gradient(network, params, X, Y, *given, ghosts=ghosts)
    alone, others = (step_gradient(network, params, *s, *given) for s in ((X, Y), ghosts))
    for name in ("gradient", "norms_sq", "loss", "error"):
        for a, b in zip(*(jax.tree.leaves(getattr(g, name)) for g in (got, alone))):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7, err_msg=name)
    for place, one in enumerate((alone, others)):
        for a, b in zip(jax.tree.leaves(got.examples), jax.tree.leaves(one.examples)):
            np.testing.assert_allclose(a[place], b, rtol=1e-5, atol=1e-7)


def squares(logits, y):
    return 0.5 * jnp.sum((logits - jax.nn.one_hot(y, logits.shape[1])) ** 2, axis=1)


@pytest.mark.parametrize("tapped", [True, False])
def test_a_loss_of_ones_own(tapped):
    network = build(MLP(depth=1, width=5), 3, (4, 4, 1))
    params = jax.jit(network.init)(jax.random.key(1), X)
    hyper = Hyper(0.1, 1.0, clip=jnp.float32(1e3))

    def mean_loss(p):
        return jnp.mean(squares(network.apply(p, X, None, hyper)[0], Y))

    value, expected = jax.value_and_grad(mean_loss)(params)
    used = network if tapped else network._replace(taps=None)
    got = step_gradient(used, params, X, Y, None, 6, KEY, hyper, True, loss=squares)
    np.testing.assert_allclose(flat(got.gradient), flat(expected), atol=1e-6)
    np.testing.assert_allclose(got.loss, value, rtol=1e-6)


def test_the_parts_of_a_gradient_are_copied_and_not_computed_within_their_concatenation():
    network = build(MLP(depth=3, width=16), 3, (4, 4, 1))
    x, y = jnp.tile(X, (10, 1, 1, 1)), jnp.tile(Y, 10)
    vector, unravel = ravel_pytree(jax.jit(network.init)(jax.random.key(1), X))

    def step(weights, eta):
        hyper = Hyper(0.1, 1.0, clip=1.0)
        got = langevin.step_gradient(network, unravel(weights), x, y, None, 60, KEY, hyper, True)
        gradient, _ = ravel_pytree(got.gradient)
        return weights - eta * gradient, jnp.sum(gradient**2)

    text = str(jax.jit(step).lower(vector, 0.1).compile().as_text())
    whole = f"f32[{vector.size}]{{0}} concatenate("
    (part,) = (part for part in text.split("\n\n") if whole in part)
    joined = set(re.findall(r" = \S+ ([a-z-]+)\(", part))
    assert part.count(" concatenate(") == 1
    # the last terms of the sums of a bias are few
    assert joined <= {"parameter", "constant", "bitcast", "reduce", "concatenate"}


def test_the_mean_over_a_batch_is_as_precise_as_the_parameters(x64):
    network = build(MLP(depth=2, width=5), 3, (4, 4, 1))
    x = jnp.asarray(X, jnp.float64)
    start = jax.jit(network.init)(jax.random.key(1), X)
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), start)

    def loss(p):
        return jnp.mean(cross_entropy(network.apply(p, x, None, Hyper(0.1, 1.0))[0], Y))

    got = step_gradient(network, params, x, Y, None, 6, KEY, Hyper(0.1, 1.0), False)
    np.testing.assert_allclose(flat(got.gradient), flat(jax.grad(loss)(params)), atol=1e-14)
