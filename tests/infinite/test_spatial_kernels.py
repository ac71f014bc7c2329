"""Convolutional kernels and the vocabulary: constants, finite networks, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import infinite
from ibjax.infinite import (
    activation,
    avg_pool,
    conv,
    dense,
    flatten,
    global_avg_pool,
    layer_norm,
    residual,
    serial,
)


def compiled(net, *x):
    return jax.jit(lambda *z: infinite.kernels(net, *z))(*x)


INDEX = np.arange(64.0).reshape(2, 4, 4, 2)
IMAGES = np.sin(1 + 0.7 * INDEX) + 0.3 * np.cos(0.31 * INDEX)


def c(padding="SAME", strides=1, width=1):
    return conv(width, 3, strides, padding, 1.4, 0.1)


def network(phi, convolutions, readout, padding="SAME", pool=False):
    layers = [c(padding), activation(phi)]
    if pool:
        layers.append(avg_pool(2))
    layers += [c(padding), activation(phi)] * (convolutions - 1)
    return serial(*layers, readout(), dense(1, 1.4, 0.1))


CONSTANTS = {
    ("relu", 2, flatten, "SAME", False): (
        (0.5669860431155, 0.1956104793752, 0.5701570466427),
        (1.6711581290, 0.1668372929, 1.6806711399),
    ),
    ("relu", 2, global_avg_pool, "SAME", False): (
        (0.2854632097324, 0.2584274327660, 0.2882002214995),
        (0.4694327461013, 0.361626308815, 0.4765901593865),
    ),
    ("relu", 2, flatten, "CIRCULAR", False): (
        (1.072072722385, 0.3599113301356, 1.0845676199072),
        (3.186418164, 0.301593366, 3.223902858),
    ),
    ("relu", 1, global_avg_pool, "VALID", False): (
        (0.7055787530324, 0.1766895907768, 0.7260820649727),
        (1.1836795449234, 0.0961908714251, 1.2275942286718),
    ),
    ("relu", 2, flatten, "SAME", True): (
        (0.2118947820999, 0.11215143258, 0.2143903559854),
        (0.5369022131488, 0.1400047424049, 0.5444020351867),
    ),
    ("erf", 2, flatten, "SAME", False): (
        (0.7022984647141, -0.5640493225699, 0.7034778431499),
        (2.3967791553439, -1.9110904304249, 2.4023133364191),
    ),
    ("erf", 2, global_avg_pool, "SAME", False): (
        (0.0724993146845, -0.0114998501151, 0.0726652294472),
        (0.2079737970603, -0.0787907552122, 0.2093670479747),
    ),
    ("erf", 2, global_avg_pool, "SAME", True): (
        (0.0879767434354, -0.0139716557796, 0.0869989488289),
        (0.2361846003416, -0.0871872710127, 0.233654446745),
    ),
}


@pytest.mark.parametrize("case", CONSTANTS, ids=lambda c: f"{c[0]}-{c[1]}-{c[2].__name__}-{c[3:]}")
def test_constants_of_convolutional_kernels(x64, case):
    phi, convolutions, readout, padding, pool = case
    net = network(phi, convolutions, readout, padding, pool)
    out = jax.jit(lambda x: infinite.kernels(net, x))(IMAGES)
    for kernel, expected in zip(out, CONSTANTS[case], strict=True):
        # The reference values carry ten to thirteen digits; a kink leaves eight on the diagonal.
        got = np.asarray(kernel)[np.triu_indices(2)]
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)


def test_dropping_position_pairs_changes_nothing(x64):
    """A pooling window of one keeps all pairs of positions and must not change the kernel."""
    plain = serial(c(), activation("erf"), c(strides=2), activation("relu"), flatten(), dense())
    paired = serial(
        c(), activation("erf"), c(strides=2), activation("relu"), avg_pool(1), flatten(), dense()
    )
    a, b = compiled(plain, IMAGES), compiled(paired, IMAGES)
    np.testing.assert_allclose(a.nngp, b.nngp, rtol=1e-13)
    np.testing.assert_allclose(a.ntk, b.ntk, rtol=1e-13)
    nested = serial(residual(serial(c(), activation("relu"), c())), global_avg_pool())
    out = compiled(nested, IMAGES)
    assert np.linalg.eigvalsh(out.ntk - out.nngp)[0] > -1e-12


def test_two_input_sets_are_blocks_of_one(x64):
    x = np.concatenate([IMAGES, 0.5 - IMAGES[:, ::-1]])
    net = network("relu", 2, global_avg_pool)
    whole, cross = compiled(net, x), compiled(net, x[:2], x[2:])
    np.testing.assert_allclose(cross.nngp, whole.nngp[:2, 2:], rtol=1e-13)
    np.testing.assert_allclose(cross.ntk, whole.ntk[:2, 2:], rtol=1e-12)


@pytest.mark.parametrize("images", [False, True])
def test_tiles_make_up_the_whole(x64, monkeypatch, images):
    """Sides that tiles do not divide, two sets of different size, and the derivative."""
    from ibjax.infinite import kernel_matrix

    if images:
        x = np.concatenate([IMAGES, 0.5 - IMAGES, IMAGES[:, ::-1]])
        net, entries = serial(c(), activation("erf"), global_avg_pool(), dense()), 16**2 * 4
    else:
        x = np.random.default_rng(0).normal(size=(11, 3))
        net, entries = serial(dense(1, 1.2, 0.3), activation("relu"), dense()), 9

    def both(w, x):
        scaled = serial(net, activation("sin"), dense(1, w))
        own, cross = infinite.kernels(scaled, x), infinite.kernels(scaled, x[:5], x[3:])
        return (*own, *cross), jnp.sum(own.ntk**2)

    def slope(w):
        return jax.jit(jax.jacfwd(lambda v: both(v, x)[1]))(w)

    whole, rate = jax.jit(both)(1.1, x)[0], slope(1.1)
    monkeypatch.setattr(kernel_matrix, "_ENTRIES", entries)
    tiles = jax.jit(lambda w, x: both(w, x))(1.1, x)[0]
    for a, b in zip(whole, tiles, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(tiles[1], tiles[1].T, rtol=1e-13)
    np.testing.assert_allclose(slope(1.1), rate, rtol=1e-10)


def wide(name, width):
    """Small networks of every word of the vocabulary, for Monte Carlo at finite width."""
    branch = serial(activation("gelu"), dense(width, 1.2, 0.2))
    cases = {
        "vectors": serial(
            dense(width, 1.1, 0.4),
            layer_norm(),
            residual(serial(branch, layer_norm())),
            activation("relu"),
            dense(1, 1.0, 0.3),
        ),
        "strided": serial(c(strides=2, width=width), activation("erf"), flatten(), dense(1, 1.2)),
        "pooled": serial(
            c("CIRCULAR", width=width),
            activation("relu"),
            avg_pool((1, 2)),
            conv(width, (2, 1), 1, "VALID", 1.1, 0.2),
            activation("sin"),
            global_avg_pool(),
            dense(1, 1.2, 0.2),
        ),
    }
    return cases[name]


@pytest.mark.parametrize("name", ["vectors", "strided", "pooled"])
def test_finite_networks_converge_to_the_kernels(name):
    """Mean over 300 random networks of width 128, within five standard deviations.

    The bias of order 1/width stays below the standard error for these networks.
    """
    images = name != "vectors"
    x = jnp.asarray(IMAGES if images else [[1.0, 0.0, 0.5], [0.3, -0.2, 0.8]], jnp.float32)
    net = wide(name, 128)

    def sample(key):
        _, params = net.init(key, x.shape[1:])
        jac = jax.jacrev(lambda p: net.apply(p, x)[:, 0])(params)
        flat = jnp.concatenate([leaf.reshape(2, -1) for leaf in jax.tree.leaves(jac)], 1)
        z = net.apply(params, x)[:, 0]
        return jnp.outer(z, z), flat @ flat.T

    keys = jax.random.split(jax.random.key(3), 300)
    samples = jax.jit(lambda k: jax.lax.map(sample, k, batch_size=50))(keys)
    limit = compiled(net, x)
    for values, kernel in zip(samples, limit, strict=True):
        error = np.std(values, 0, ddof=1) / len(keys) ** 0.5
        assert np.all(np.abs(np.mean(values, 0) - kernel) < 5 * error)
        assert np.max(error / np.max(np.abs(kernel))) < 0.15


def test_layer_norm_gives_unit_variance(x64):
    x = np.random.default_rng(0).normal(size=(5, 3)) * np.array([[1], [10], [0.1], [1], [3]])
    net = serial(dense(8, 1.2, 0.3), activation("relu"), dense(8, 1.2, 0.3), layer_norm())
    np.testing.assert_allclose(jnp.diagonal(compiled(net, x).nngp), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    "build,x,word",
    [
        (lambda: serial(c(), activation("relu"), dense()), IMAGES, "flatten"),
        (lambda: serial(activation("relu"), dense()), np.ones((2, 3)), "Gaussian"),
        (lambda: serial(dense(), activation("relu"), layer_norm()), np.ones((2, 3)), "closed"),
        (lambda: serial(c(), flatten(), conv()), IMAGES, "images"),
        (lambda: serial(c()), IMAGES, "flatten"),
        (lambda: serial(conv(window=5, padding="VALID"), flatten()), IMAGES, "window"),
        (lambda: residual(activation("relu")), IMAGES, "branch"),
        # 1.80 for an input of variance 0.8 + 1, where finite networks have (0.9 + 1)^2 = 3.6
        (lambda: serial(dense(), residual(layer_norm())), np.ones((2, 3)), "not independent"),
        (lambda: residual(serial(layer_norm(), layer_norm())), IMAGES, "not independent"),
        (lambda: conv(padding="same"), IMAGES, "padding"),
        (lambda: avg_pool(0), IMAGES, "window"),
        (lambda: serial(residual(c(strides=2)), flatten()), IMAGES, "stride"),
        (lambda: serial(), IMAGES, "at least one"),
    ],
)
def test_orders_without_a_closed_form_are_refused(build, x, word):
    with pytest.raises(ValueError, match=word):
        jax.eval_shape(lambda z: infinite.kernels(build(), z), x)
