import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.networks.convolutions import convolve, rounded_patches


@pytest.mark.parametrize(
    ("side", "channels", "kernel", "stride", "padding"),
    [
        (8, 1, 4, 2, 1),
        (8, 3, 4, 2, 1),
        (10, 2, 6, 2, 4),
        (9, 2, 6, 3, 0),
        (4, 2, 6, 3, 4),
        (7, 3, 3, 2, 0),
        (3, 5, 3, 1, 0),
        (6, 2, 3, 1, 1),
    ],
)
@pytest.mark.parametrize("low", [None, jnp.float32])
def test_every_way_of_convolving_is_the_convolution(low, side, channels, kernel, stride, padding):
    # Rounding to float32 changes nothing and takes the paths of half precision.
    x = jax.random.normal(jax.random.key(0), (channels, side, side, 4))
    w = jax.random.normal(jax.random.key(1), (kernel, kernel, channels, 3))

    def theirs(w, x):
        return jax.lax.conv_general_dilated(
            x,
            w,
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("CHWN", "HWIO", "CHWN"),
        )

    def ours(w, x):
        return convolve(w.reshape(-1, 3).T, x, kernel, stride, padding, low)

    np.testing.assert_allclose(ours(w, x), theirs(w, x), atol=1e-4)
    d = jax.random.normal(jax.random.key(2), theirs(w, x).shape)
    for mine, peer in zip(jax.vjp(ours, w, x)[1](d), jax.vjp(theirs, w, x)[1](d)):
        np.testing.assert_allclose(mine, peer, atol=2e-4)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), (3, 1, 0), (3, 2, 0)])
def test_half_precision_convolutions_are_those_of_rounded_inputs(kernel, stride, padding):
    x = jax.random.normal(jax.random.key(0), (3, 8, 8, 4)).astype(jnp.bfloat16)
    w = jax.random.normal(jax.random.key(1), (5, kernel * kernel * 3)).astype(jnp.bfloat16)
    x, w = x.astype(jnp.float32), w.astype(jnp.float32)

    def of(low):
        return lambda w, x: convolve(w, x, kernel, stride, padding, low)

    exact, pull = jax.vjp(of(None), w, x)
    value, low_pull = jax.vjp(of(jnp.bfloat16), w, x)
    np.testing.assert_allclose(value, exact, atol=1e-5)
    d = jax.random.normal(jax.random.key(2), exact.shape).astype(jnp.bfloat16).astype(jnp.float32)
    for mine, theirs in zip(low_pull(d), pull(d)):
        assert mine.dtype == jnp.float32
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_rounded_patches_hand_their_derivatives_on_unrounded():
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 3))
    seen, pull = jax.vjp(lambda x: rounded_patches(x, 3, 1, 1, jnp.bfloat16), x)
    plain, exact = jax.vjp(lambda x: rounded_patches(x, 3, 1, 1, None), x)
    assert seen.dtype == jnp.bfloat16
    np.testing.assert_array_equal(seen, plain.astype(jnp.bfloat16))
    d = jax.random.normal(jax.random.key(1), plain.shape).astype(jnp.bfloat16)
    np.testing.assert_allclose(pull(d)[0], exact(d.astype(jnp.float32))[0], atol=1e-6)
