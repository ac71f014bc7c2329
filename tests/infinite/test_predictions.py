"""Predictions over time, finite networks and streaming, against slow independent twins."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from ibjax import infinite
from ibjax.infinite.kernel_matrix import Kernels

NETWORK = {"depth": 3, "activation": "erf", "w_std": 1.4, "b_std": 0.2}


def data(n=6, m=4, k=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 3)), rng.normal(size=(n, k))


def test_gradient_flow_by_matrix_exponential(x64):
    x, x_test, y = data()
    train, test = (infinite.mlp_kernels(z, **NETWORK) for z in (x, x_test))
    cross = infinite.mlp_kernels(x_test, x, **NETWORK)
    times = [0.0, 0.2, 3.0]
    law = infinite.gradient_flow(train, y, times, cross, test)
    own = infinite.gradient_flow(train, y, times)
    # z' = -[Theta; Theta_*] (z_train - Y) as one linear system of train and test outputs.
    joint = np.block([[train.nngp, cross.nngp.T], [cross.nngp, test.nngp]])
    for index, time in enumerate(times):
        drift = np.zeros((10, 10))
        drift[:6, :6], drift[6:, :6] = -train.ntk, -cross.ntk
        map_ = linalg.expm(time * drift)
        full = map_ @ joint @ map_.T
        fixed = np.vstack([y, np.zeros((4, 2))])
        mean = fixed - map_ @ fixed
        np.testing.assert_allclose(law.mean[index], mean[6:], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(law.cov[index], full[6:, 6:], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(own.mean[index], mean[:6], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(own.cov[index], full[:6, :6], rtol=1e-9, atol=1e-11)


def test_train_points_as_test_points_and_limits(x64):
    x, x_test, y = data()
    train, test = (infinite.mlp_kernels(z, **NETWORK) for z in (x, x_test))
    cross = infinite.mlp_kernels(x_test, x, **NETWORK)
    times = [0.0, 0.7, np.inf]
    a = infinite.gradient_flow(train, y, times)
    b = infinite.gradient_flow(train, y, times, train, train)
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-10)
    np.testing.assert_allclose(a.cov, b.cov, atol=1e-10)
    np.testing.assert_allclose(a.mean[-1], y, rtol=1e-10)
    late = infinite.gradient_flow(train, y, times, cross, test)
    np.testing.assert_allclose(late.cov[0], test.nngp, rtol=1e-12)
    np.testing.assert_allclose(
        late.mean[-1], infinite.ntk_regression(train.ntk, y, cross.ntk), rtol=1e-9
    )


def test_regressions_by_conditioning(x64):
    x, x_test, y = data()
    train, test = (infinite.mlp_kernels(z, **NETWORK) for z in (x, x_test))
    cross = infinite.mlp_kernels(x_test, x, **NETWORK)
    law = infinite.nngp_regression(train.nngp, y, cross.nngp, test.nngp, 0.3)
    # The precision matrix of the joint law conditions by reading off a block.
    joint = np.block([[train.nngp + 0.3 * np.eye(6), cross.nngp.T], [cross.nngp, test.nngp]])
    precision = np.linalg.inv(joint)
    cov = np.linalg.inv(precision[6:, 6:])
    np.testing.assert_allclose(law.cov, cov, rtol=1e-8)
    np.testing.assert_allclose(law.mean, -cov @ precision[6:, :6] @ y, rtol=1e-8)
    ridge = infinite.ntk_regression(train.ntk, y, cross.ntk, 0.3)
    expected = cross.ntk @ np.linalg.solve(train.ntk + 0.3 * np.eye(6), y)
    np.testing.assert_allclose(ridge, expected, rtol=1e-10)


def two_layer(params, x):
    return jnp.tanh(x @ params["a"]) @ params["b"]


def parameters(width=7, k=2, seed=3):
    rng = np.random.default_rng(seed)
    return {
        "a": jnp.array(rng.normal(size=(3, width))),
        "b": jnp.array(rng.normal(size=(width, k))),
    }


def test_time_is_learning_rate_times_steps(x64):
    """Small steps of gradient descent on the mean loss of the linearised network."""
    x, x_test, y = data()
    params = parameters()
    linear = infinite.linearise(two_layer, params)
    rate, steps = 2e-3, 4000

    def loss(p):
        return 0.5 * jnp.mean((linear(p, x) - y) ** 2)

    def step(_, p):
        return jax.tree.map(lambda a, g: a - rate * g, p, jax.grad(loss)(p))

    trained = jax.lax.fori_loop(0, steps, step, params)
    time = infinite.flow_time(rate, steps, entries=y.size)
    flow = infinite.linearised_flow(two_layer, params, x, y, x_test, time, chunk=4)
    np.testing.assert_allclose(flow[0], linear(trained, x_test), atol=3e-3)
    assert np.max(np.abs(flow[0] - two_layer(params, x_test))) > 0.1
    np.testing.assert_allclose(infinite.flow_steps(time, rate, entries=y.size), steps, rtol=1e-12)


def test_largest_learning_rate_separates_convergence_from_divergence(x64):
    theta = np.diag([1.0, 4.0])
    limit = float(infinite.largest_learning_rate(theta, entries=2))
    for factor, stable in ((0.98, True), (1.02, False)):
        step = np.eye(2) - factor * limit * theta / 2
        assert (np.max(np.abs(np.linalg.eigvals(step))) < 1) == stable


def test_linearised_flow_of_a_linear_model_reaches_the_targets(x64):
    x, _, y = data(n=3)
    params = parameters(width=20)
    flow = infinite.linearised_flow(two_layer, params, x, y, x, [0.0, np.inf])
    np.testing.assert_allclose(flow[0], two_layer(params, x), atol=1e-12)
    np.testing.assert_allclose(flow[1], y, atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 4, 16])
@pytest.mark.parametrize("outputs", ["mean", "full"])
def test_empirical_kernel_in_chunks(x64, chunk, outputs):
    x, x_test, _ = data()
    params = parameters()
    h, h_test = (np.tanh(z @ np.asarray(params["a"])) for z in (x, x_test))
    b = np.asarray(params["b"])

    def by_hand(x1, h1, x2, h2):
        inner = np.einsum("iw,jw,wk,wl->ijkl", 1 - h1**2, 1 - h2**2, b, b)
        last = (h1 @ h2.T)[:, :, None, None] * np.eye(2)
        full = last + (x1 @ x2.T)[:, :, None, None] * inner
        return full if outputs == "full" else np.trace(full, axis1=2, axis2=3) / 2

    for other, expected in (
        (None, by_hand(x, h, x, h)),
        (x_test, by_hand(x, h, x_test, h_test)),
    ):
        out = infinite.empirical_ntk(two_layer, params, x, other, chunk=chunk, outputs=outputs)
        np.testing.assert_allclose(out, expected, rtol=1e-11, atol=1e-12)


def test_empirical_kernel_of_a_flax_module_and_jit():
    import flax.linen as nn

    module = nn.Dense(2)
    x = jnp.asarray(data()[0], jnp.float32)
    params = module.init(jax.random.key(0), x)
    compute = partial(infinite.empirical_ntk, lambda p, z: module.apply(p, z), chunk=4)
    out = jax.jit(compute)(params, x)
    np.testing.assert_allclose(out, x @ x.T + 1, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(compute(params, x), out, rtol=1e-6, atol=1e-6)


def mlp(a, b):
    return infinite.kernels(infinite.mlp(3, "relu", 1.3, 0.1), a, b)


@pytest.mark.parametrize("block", [3, 7, 100])
def test_streamed_blocks_are_the_whole(x64, block):
    x, x_test, _ = data(n=11, m=5)
    whole = infinite.mlp_kernels(x, depth=3, activation="relu", w_std=1.3, b_std=0.1)
    for a, b in zip(infinite.stream(mlp, x, block=block), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_array_equal(a, a.T)
    cross = infinite.mlp_kernels(x, x_test, depth=3, activation="relu", w_std=1.3, b_std=0.1)
    out = Kernels(np.zeros((11, 5)), np.zeros((11, 5)))
    same = infinite.stream(mlp, x, x_test, block=block, out=out)
    assert same.nngp is out.nngp
    np.testing.assert_allclose(out.ntk, cross.ntk, rtol=1e-12)


def test_memory_is_stated_beforehand_and_does_not_grow_with_the_data(x64):
    x = np.zeros((1000, 3))
    device, host = infinite.stream_bytes(mlp, x, block=64)
    assert host == 2 * 1000 * 1000 * 8
    assert 2 * 64 * 64 * 8 <= device < 40 * 64 * 64 * 8
    assert infinite.stream_bytes(mlp, x[:500], block=64)[0] == device


@pytest.mark.parametrize(
    "call,word",
    [
        (lambda: infinite.stream(mlp, np.ones((2, 3)), block=0), "block"),
        (lambda: infinite.stream(mlp, np.ones((2, 3)), out=Kernels(1, 1)), "out"),
        (lambda: infinite.empirical_ntk(two_layer, {}, np.ones((2, 3)), chunk=0), "chunk"),
        (lambda: infinite.empirical_ntk(two_layer, {}, np.ones((2, 3)), outputs="sum"), "outputs"),
        (
            lambda: infinite.nngp_regression(np.eye(2), [1, 2], np.ones((1, 2)), np.eye(1), -1),
            "noise",
        ),
        (lambda: infinite.gradient_flow(Kernels(np.eye(2), np.eye(2)), [1, 2], -1.0), "times"),
        (lambda: infinite.ntk_regression(np.eye(2), [1, 2], np.ones((1, 3))), "test_train"),
    ],
)
def test_refusals(call, word):
    with pytest.raises(ValueError, match=word):
        call()


LINE = np.linspace(-10 * np.pi, 10 * np.pi, 15)[:, None]


@pytest.mark.parametrize("b_std", [0.05, 0.1, 1.0])
def test_almost_parallel_inputs_are_learnt_in_float32_too(b_std):
    options = {"depth": 3, "activation": "relu", "w_std": 2**0.5, "b_std": b_std}
    train = infinite.mlp_kernels(LINE, **options)
    assert train.ntk.dtype == np.float32
    got = infinite.gradient_flow(train, np.sin(LINE), [1.0, np.inf])
    assert got.mean.dtype == np.float32 and bool(got.ok[-1])
    np.testing.assert_allclose(got.mean[-1], np.sin(LINE), atol=1e-5)
    # ridges that float32 cannot factor
    test = LINE[:-1] + 1.0
    cross, prior = (infinite.mlp_kernels(a, b, **options) for a, b in ((test, LINE), (test, test)))
    by_ridge = infinite.ntk_regression(train.ntk, np.sin(LINE), cross.ntk, ridge=1e-4)
    posterior = infinite.nngp_regression(
        train.nngp, np.sin(LINE), cross.nngp, prior.nngp, noise=1e-4
    )
    assert np.isfinite(by_ridge).all() and np.isfinite(posterior.mean).all()
    assert np.isfinite(posterior.cov).all()
    with jax.enable_x64(True):
        exact = infinite.mlp_kernels(LINE, **options)
        want = infinite.ntk_regression(
            exact.ntk, np.sin(LINE), infinite.mlp_kernels(test, LINE, **options).ntk, ridge=1e-4
        )
    np.testing.assert_allclose(by_ridge, want, atol=2e-2)


def test_directions_that_rounding_hides_are_flagged():
    # without biases the rectifier has a kernel of rank two on a line: fifteen targets do not fit
    options = {"depth": 3, "activation": "relu", "w_std": 1.0, "b_std": 0.0}
    for x64 in (False, True):
        with jax.enable_x64(x64):
            train = infinite.mlp_kernels(LINE, **options)
            got = infinite.gradient_flow(train, np.sin(LINE), [1e-8, np.inf])
            assert got.ok.tolist() == [True, False]
            fits = infinite.gradient_flow(train, np.abs(LINE), [np.inf])
            assert bool(fits.ok[0])
            np.testing.assert_allclose(fits.mean[0], np.abs(LINE), rtol=1e-4)
            info = infinite.ensemble_information(train, np.sin(LINE), [np.inf])
            assert not bool(info.train_loss.ok[0]) and not info.train_loss.exact


@pytest.mark.parametrize("name", ["erf", "sin", "cos", "gelu", "relu", "abs"])
def test_large_variances_in_float32(name):
    # one input of variance 9e6 and one parallel to it, across it, against it
    x = np.array([[3e3, 0.0], [3.3e3, 0.0], [0.0, 3e3], [-3e3, 1.0]])
    scale = 2**0.5  # x . x' / d with d = 2
    options = {"depth": 2, "activation": name, "w_std": scale, "b_std": 0.0}
    got = infinite.mlp_kernels(x, **options)
    traced = jax.jit(lambda v: infinite.mlp_kernels(v, **options))(x)
    with jax.enable_x64(True):
        want = infinite.mlp_kernels(x, **options)
    for part, true in zip(got, want, strict=True):
        np.testing.assert_allclose(part, true, rtol=1e-6, atol=1e-6)
    for part, true in zip(traced, want, strict=True):
        assert np.isfinite(part).all()
        np.testing.assert_allclose(np.diagonal(part), np.diagonal(true), rtol=1e-4)
    if name == "erf":
        # E[erf' erf'] = (4 / pi) / sqrt(1 + 4 * 9e6) for equal inputs, times 9e6 and w^2
        slope = 4 / np.pi / np.sqrt(1 + 4 * 9e6)
        np.testing.assert_allclose(got.ntk[0, 0] - got.nngp[0, 0], 2 * slope * 9e6, rtol=1e-5)
    huge = jax.jit(lambda v: infinite.mlp_kernels(v, **options))(x * 1e13)
    assert np.isfinite(huge.nngp).all()
