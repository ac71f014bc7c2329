import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.interface import Hyper
from ibjax.networks import CNN, build, patches

HYPER = Hyper(0.1, 100.0, layer_noise=0.5)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 1), (8, 4, 2), (5, 2, 3)])
def test_patches_times_a_matrix_is_the_convolution(size, kernel, stride):
    x = jax.random.normal(jax.random.key(0), (2, size, size + 1, 3))
    w = jax.random.normal(jax.random.key(1), (kernel, kernel, 3, 4))
    ours = patches(x, kernel, stride) @ w.reshape(-1, 4)
    theirs = jax.lax.conv_general_dilated(
        x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_layers_count_every_position_and_draw_noise_from_the_key():
    network = build(CNN(channels=(4, 6), width=10, noise=0.5), 2, (8, 8, 1))
    assert [f.width for f in network.layers] == [4 * 4 * 4, 2 * 2 * 6, 10]
    x = jnp.ones((3, 8, 8, 1))
    params = network.init(jax.random.key(0), x)
    logits, features = network.apply(params, x, None, HYPER)
    noisy, _ = network.apply(params, x, jax.random.key(1), HYPER)
    again, _ = network.apply(params, x, jax.random.key(1), HYPER)
    assert logits.shape == (3, 2) and [f.shape for f in features][-1] == (3, 10)
    assert not np.allclose(logits, noisy)
    np.testing.assert_array_equal(noisy, again)


def test_inputs_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="height, width, channels"):
        build(CNN(), 2, (64,))
