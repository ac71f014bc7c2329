import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.networks.convolutions import convolve, patches
from ibjax.networks.normalisation import moments, normalise, normalised_product


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
        seen = patches(x, 3, 1, 0)
        return normalised_product(kernel, seen, moments(seen), scale, bias, w, 1e-5)

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
