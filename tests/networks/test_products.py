import jax
import jax.numpy as jnp
import numpy as np

from ibjax.networks.products import bits, numbers, product


def test_products_have_the_derivatives_of_a_matrix_product(x64):
    a = jax.random.normal(jax.random.key(0), (3, 4))
    b = jax.random.normal(jax.random.key(1), (4, 5))
    d = jax.random.normal(jax.random.key(2), (3, 5))
    for mine, exact in zip(jax.vjp(product, a, b)[1](d), (d @ b.T, a.T @ d)):
        np.testing.assert_allclose(mine, exact, atol=1e-13)
    together = jax.vmap(lambda d: jax.vjp(product, a, b)[1](d)[0])(jnp.stack([d, 2 * d]))
    np.testing.assert_allclose(together[1], 2 * d @ b.T, atol=1e-12)


def test_half_precision_products_stay_within_their_rounding():
    a = jax.random.normal(jax.random.key(0), (3, 4))
    b = jax.random.normal(jax.random.key(1), (4, 5))
    d = jax.random.normal(jax.random.key(2), (3, 5))
    value, pull = jax.vjp(lambda a, b: product(a, b, jnp.bfloat16), a, b)
    assert value.dtype == jnp.float32
    for mine, exact in zip((value, *pull(d)), (a @ b, d @ b.T, a.T @ d)):
        assert mine.dtype == jnp.float32
        assert 0 < float(jnp.max(jnp.abs(mine - exact))) < 0.05


def test_the_smaller_factor_is_turned_and_the_derivative_is_the_same():
    # The derivative in a turns b or, where b is much the larger, d and the result.
    for k, n in ((3, 4), (40, 50)):
        a = jax.random.normal(jax.random.key(0), (4, k))
        b = jax.random.normal(jax.random.key(1), (k, n))
        d = jax.random.normal(jax.random.key(2), (4, n))
        _, pull = jax.vjp(lambda a, b: product(a, b, jnp.float32), a, b)
        for mine, exact in zip(pull(d), (d @ b.T, a.T @ d)):
            np.testing.assert_allclose(mine, exact, atol=1e-4)


def test_bits_hold_half_precision_numbers_and_leave_others_alone():
    x = jnp.array([1.5, -0.0, 3e38, jnp.nan])
    low = x.astype(jnp.bfloat16)
    assert bits(low).dtype == jnp.uint16 and bits(x) is x and numbers(x, None) is x
    assert numbers(bits(low), jnp.bfloat16).dtype == jnp.bfloat16
    np.testing.assert_array_equal(bits(numbers(bits(low), jnp.bfloat16)), bits(low))
