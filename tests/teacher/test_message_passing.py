"""Message passing against state evolution, and exact infinite-width evidence against the limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import teacher


@pytest.mark.parametrize("readout, alpha, options", [
    ("sign", 2.0, {}),
    ("sign", 1.0, {"prior": "rademacher"}),
    ("identity", 1.0, {"noise": 0.1, "rho": 0.6, "eps": 0.03}),
    (jnp.tanh, 1.0, {"noise": 0.1, "rho": 0.6, "eps": 0.03}),
])  # fmt: skip
def test_gamp_lies_on_state_evolution(x64, readout, alpha, options):
    d, steps, runs = 400, 20, 6

    def run(key):
        data = teacher.sample_linear_teacher(key, readout, int(alpha * d), d, **options)
        result = teacher.gamp(data.x, data.y, readout, steps=steps, **options)
        return result.overlap, result.mean @ data.vector / d, result.change

    keys = jax.random.split(jax.random.key(0), runs)
    overlap, truth, _ = jax.lax.map(run, keys)
    path = teacher.state_evolution(readout, alpha, steps=steps, **options)
    error = np.std(overlap, axis=0, ddof=1) / np.sqrt(runs)
    # The finite size shifts the mean by O(1/d).
    assert np.all(np.abs(np.mean(overlap, axis=0) - path.q) < 4 * error + 2 / d)
    spread = np.std(truth, ddof=1) / np.sqrt(runs)
    assert abs(np.mean(truth) - path.q[-1]) < 4 * spread


def test_state_evolution_ends_on_the_algorithmic_branch(x64):
    path = teacher.state_evolution("sign", 1.3, prior="rademacher", steps=200)
    # The stable fixed point of smaller overlap, not the optimal one at q = 1.
    assert float(path.q[-1]) == pytest.approx(0.725870692947, abs=1e-11)
    assert np.all(np.diff(path.q) >= -1e-15)
    error = np.arccos(np.sqrt(0.725870692947)) / np.pi
    assert float(path.generalization_error[-1]) == pytest.approx(error, abs=1e-11)


def test_gamp_is_ridge_for_the_identity(x64):
    data = teacher.sample_linear_teacher(jax.random.key(1), "identity", 150, 100, noise=0.5)
    result = teacher.gamp(data.x, data.y, "identity", noise=0.5, steps=200)
    a = np.asarray(data.x) / 10
    ridge = np.linalg.solve(a.T @ a + 0.5 * np.eye(100), a.T @ np.asarray(data.y))
    # Message passing assumes inputs of variance exactly 1 in the mean, so it is near, not equal.
    assert np.sqrt(np.mean((np.asarray(result.mean) - ridge) ** 2)) < 0.08


def test_ridge_on_a_network_reaches_the_limit(x64):
    d, n, noise, runs = 150, 150, 0.1, 12
    rho, eps, _ = teacher.activation_constants("tanh")

    def error(key):
        data = teacher.sample_network_teacher(key, "tanh", "identity", n + 200, d, 400, noise=noise)
        a = data.x / jnp.sqrt(d)
        gram = a[:n].T @ a[:n] + (eps + noise) / rho**2 * jnp.eye(d)
        weights = jnp.linalg.solve(gram, a[:n].T @ data.y[:n])
        return jnp.mean((data.y[n:] - a[n:] @ weights) ** 2)

    errors = jax.lax.map(error, jax.random.split(jax.random.key(2), runs))
    limit = teacher.bayes_limits("identity", n / d, activation="tanh", noise=noise)
    spread = float(jnp.std(errors, ddof=1)) / np.sqrt(runs)
    assert abs(float(jnp.mean(errors)) - float(limit.generalization_error)) < 3 * spread + 0.01


@pytest.mark.parametrize("activation, depth", [("erf", 1), ("sign", 1), ("erf", 2), ("erf", 3)])
def test_exact_evidence_of_infinite_width(x64, activation, depth):
    x = jax.random.normal(jax.random.key(3), (400, 400))
    kernel = teacher.nngp_kernel(x, activation, depth=depth)
    exact = teacher.kernel_information(kernel, 0.1)
    rho, eps, _ = teacher.activation_constants(activation, depth=depth)
    limit = teacher.bayes_limits("identity", 1.0, rho=rho, eps=eps, noise=0.1)
    # The measured finite-size gap is about 0.25 / d for one draw of the inputs at this size.
    assert float(exact.value) == pytest.approx(float(limit.mi_per_sample), abs=2.5e-3)
    assert abs(float(exact.value) - float(limit.vector_mi_per_sample)) > 0.1
    assert exact.bias == "none" and float(exact.std_error) == 0 and bool(exact.ok)


@pytest.mark.parametrize("activation", ["relu", "erf", "scaled_erf", "sign", "identity"])
def test_kernels_by_sampling(x64, activation):
    from ibjax.teacher.constants import activation_function

    x = jax.random.normal(jax.random.key(4), (4, 7))
    w = jax.random.normal(jax.random.key(5), (200_000, 7))
    hidden = activation_function(activation)(w @ x.T / jnp.sqrt(7))
    sampled = hidden.T @ hidden / len(w)
    kernel = teacher.nngp_kernel(x, activation)
    np.testing.assert_allclose(kernel, sampled, atol=0.02)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-15)


def test_kernel_information_of_a_multiple_of_one(x64):
    value = teacher.kernel_information(3 * np.eye(5), 1.5).value
    assert float(value) == pytest.approx(0.5 * np.log(3), abs=1e-15)
    assert not bool(teacher.kernel_information(-np.eye(2) + 0.0, 0.5).ok)


def test_rate_scale():
    wide = teacher.rate_scale(100, 100, 1e4)
    assert wide.kind == "diagnostic"
    assert float(wide.value) == pytest.approx(np.sqrt(2 * (0.01 + 0.1 + 0.1)), rel=1e-6)
    assert float(teacher.rate_scale(100, 100, np.inf).value) < float(wide.value)
    assert bool(teacher.rate_scale(1e4, 100, 1e4).vacuous)
    with pytest.raises(ValueError, match="d must be finite and > 0"):
        teacher.rate_scale(100, 0, 10)


@pytest.mark.parametrize("call, words", [
    (lambda: teacher.gamp(np.ones((3, 2)), np.ones(2), "sign"), "x must be"),
    (lambda: teacher.gamp(np.ones((3, 2)), np.ones(3), "sign", damping=1.0), "damping"),
    (lambda: teacher.nngp_kernel(np.ones((3, 2)), "tanh"), "activation=.* is unknown"),
    (lambda: teacher.kernel_information(np.ones((3, 2)), 0.1), "kernel must be"),
    (lambda: teacher.kernel_information(np.eye(2), 0.0), "noise must be"),
    (lambda: teacher.fixed_points("sign", [1.0, 2.0]), "alpha must be a scalar"),
    (
        lambda: teacher.sample_linear_teacher(jax.random.key(0), "sign", 0, 2),
        "n must be at least 1",
    ),
])  # fmt: skip
def test_bad_arguments_of_the_rest(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_labels_of_the_sign_are_minus_one_and_one(dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 60)).astype(dtype)
    y = np.sign(x @ rng.normal(size=60))
    want = teacher.gamp(x, y, "sign").overlap[-1]
    np.testing.assert_allclose(teacher.gamp(x, y.astype(int), "sign").overlap[-1], want, rtol=1e-5)
    for labels in ((y + 1) / 2, np.zeros(300), y > 0, 2 * y):
        with pytest.raises(ValueError, match="y must be -1 or 1"):
            teacher.gamp(x, labels, "sign")
    traced = jax.jit(lambda v: teacher.gamp(x, v, "sign").overlap[-1])
    assert np.isnan(traced((y + 1) / 2)) and np.isfinite(traced(y))
    with pytest.raises(ValueError, match="negative"):
        teacher.gamp(x, y, "abs")
    half = teacher.gamp(x.astype(np.float16), y, "sign").overlap[-1]
    np.testing.assert_allclose(half, want, rtol=1e-2)
    with pytest.raises(ValueError, match="real"):
        teacher.gamp(x * 1j, y, "sign")
