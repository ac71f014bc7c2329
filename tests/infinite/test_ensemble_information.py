"""Information of infinite ensembles against direct Gaussian formulas and Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, linalg

from ibjax import infinite
from ibjax.infinite.kernel_matrix import Kernels

N, M, WIDE = 5, 4, 9
TIMES = np.array([0.0, 0.03, 0.4, 2.0])


def linear_model(seed=0, outputs=1):
    """A model linear in its parameters: everything follows from the Jacobians by hand."""
    rng = np.random.default_rng(seed)
    jac, jac_test = rng.normal(size=(N, WIDE)) / 3, rng.normal(size=(M, WIDE)) / 3
    y, y_test = rng.normal(size=(N, outputs)), rng.normal(size=(M, outputs))
    mix = rng.normal(size=(N, N))

    def both(kernel):
        return Kernels(kernel, kernel)

    kernels = both(jac @ jac.T), both(jac_test @ jac.T), both(jac_test @ jac_test.T)
    return jac, jac_test, y, y_test, mix @ mix.T / N, kernels


def random_kernels(seed=1):
    """A generic NNGP and NTK on train and test inputs, unrelated to each other."""
    rng = np.random.default_rng(seed)
    total = N + M
    k, t = (a @ a.T / total for a in rng.normal(size=(2, total, total)))

    def block(rows, columns):
        return Kernels(k[rows, columns], t[rows, columns])

    train, test = slice(0, N), slice(N, None)
    kernels = block(train, train), block(test, train), block(test, test)
    return *kernels, rng.normal(size=(N, 1)), rng.normal(size=(M, 1))


def run(kernels, y, y_test, times=TIMES, **options):
    train, cross, test = kernels
    # The same optional inputs everywhere share one compiled program.
    options = {
        "nngp_rate": 2 * train.ntk,
        "target_cov": jnp.eye(N, dtype=train.ntk.dtype),
    } | options
    return infinite.ensemble_information(
        train, y, times, test_train=cross, test=test, y_test=y_test, **options
    )


def gaussian_kl(mean, cov, prior):
    """KL between N(mean, cov) and N(0, prior) from its definition."""
    inverse = np.linalg.inv(prior)
    logs = np.linalg.slogdet(prior)[1] - np.linalg.slogdet(cov)[1]
    return 0.5 * (np.trace(inverse @ cov) + mean @ inverse @ mean - len(mean) + logs)


def test_parameter_information_of_a_linear_model_is_the_gaussian_kl(x64):
    jac, _, y, y_test, target_cov, kernels = linear_model()
    out = run(kernels, y, y_test, linear=True, target_cov=target_cov)
    for index, time in enumerate(TIMES):
        # The determinant of the direct formula loses digits with time.
        digits = {"rtol": 1e-9 if time < 1 else 1e-5, "atol": 1e-12}
        # theta_tau = A theta_0 + B y, theta_0 ~ N(0, 1), by the matrix exponential.
        shrink = linalg.expm(-time * jac.T @ jac)
        gain = jac.T @ np.linalg.solve(jac @ jac.T, np.eye(N) - linalg.expm(-time * jac @ jac.T))
        kl = gaussian_kl(gain @ y[:, 0], shrink @ shrink.T, np.eye(WIDE))
        np.testing.assert_allclose(out.parameter_information.value[index], kl, **digits)
        cov = shrink @ shrink.T
        mutual = (
            0.5
            * np.linalg.slogdet(np.eye(WIDE) + np.linalg.solve(cov, gain @ target_cov @ gain.T))[1]
        )
        np.testing.assert_allclose(out.parameter_exact.value[index], mutual, **digits)
    assert out.parameter_status == "exact"


def test_exact_information_is_below_the_mean_divergence(x64):
    """E KL = I + KL of the marginal from the prior, both in parameters and in outputs."""
    *_, y_test, target_cov, kernels = linear_model()
    values, vectors = np.linalg.eigh(target_cov)
    square_root = vectors * np.sqrt(values)
    # KL is quadratic in y: its mean under N(0, C) is that over 2 N sigma points.
    points = np.sqrt(N) * np.concatenate([square_root, -square_root], 1)
    runs = [run(kernels, point, y_test, linear=True, target_cov=target_cov) for point in points.T]
    mean = np.mean([r.parameter_information.value for r in runs], 0)
    outputs = np.mean([r.data_test.value for r in runs], 0)
    exact = runs[0]
    assert np.all(exact.parameter_exact.value <= mean + 1e-10)
    assert np.all(exact.data_exact.value <= outputs + 1e-10)
    assert np.all(exact.data_exact.value <= exact.parameter_exact.value + 1e-10)
    assert np.all(exact.parameter_exact.value[1:] > 1e-3)


def test_losses_and_energies_by_integrating_the_flow(x64):
    train, cross, test, y, y_test = random_kernels()
    out = run((train, cross, test), y, y_test)
    second = train.nngp + y @ y.T

    def shrink(time):
        return linalg.expm(-time * train.ntk)

    def function_speed(time):  # E |z'|^2 with z' = -Theta (z - Y)
        return np.trace(train.ntk @ shrink(time) @ second @ shrink(time) @ train.ntk)

    def speed(time):  # E |theta'|^2 = (z - Y)^T Theta (z - Y)
        return np.trace(train.ntk @ shrink(time) @ second @ shrink(time))

    for index, time in enumerate(TIMES):
        loss = 0.5 * np.trace(shrink(time) @ second @ shrink(time))
        np.testing.assert_allclose(out.train_loss.value[index], loss, rtol=1e-10)
        for name, rate in (("path", speed), ("function_path", function_speed)):
            area = integrate.quad(rate, 0, time, epsabs=1e-11)[0]
            value = getattr(out, name).value[index]
            np.testing.assert_allclose(value, area, rtol=1e-9, atol=1e-11)
        done = np.eye(N) - shrink(time)
        displacement = np.trace(np.linalg.solve(train.ntk, done @ done @ second))
        np.testing.assert_allclose(
            out.displacement.value[index], displacement, rtol=1e-8, atol=1e-11
        )
        # Moving along a straight line is the shortest way.
        assert displacement <= time * out.path.value[index] + 1e-10
    np.testing.assert_allclose(
        out.path.value, out.train_loss.value[0] - out.train_loss.value, atol=1e-11
    )
    np.testing.assert_allclose(out.fisher_train.value, np.trace(train.ntk), rtol=1e-12)
    np.testing.assert_allclose(out.fisher_test.value, np.trace(test.ntk), rtol=1e-12)


def test_output_divergences_and_likelihoods_by_definition(x64):
    train, cross, test, y, y_test = random_kernels()
    out = run((train, cross, test), y, y_test, target_cov=np.eye(N))
    theta = train.ntk
    for index, time in enumerate(TIMES):
        shrink = linalg.expm(-time * theta)
        gain = cross.ntk @ np.linalg.solve(theta, np.eye(N) - shrink)
        mean = (gain @ y)[:, 0]
        # The law of z_* = z_*(0) + G (Y - z(0)) from the joint law at time 0.
        joint = np.block([[train.nngp, cross.nngp.T], [cross.nngp, test.nngp]])
        mapping = np.hstack([-gain, np.eye(M)])
        cov = mapping @ joint @ mapping.T
        np.testing.assert_allclose(
            out.data_test.value[index], gaussian_kl(mean, cov, test.nngp), rtol=1e-8, atol=1e-11
        )
        mutual = 0.5 * np.linalg.slogdet(np.eye(M) + np.linalg.solve(cov, gain @ gain.T))[1]
        np.testing.assert_allclose(out.data_exact.value[index], mutual, rtol=1e-9, atol=1e-12)
        on_train = gaussian_kl(
            ((np.eye(N) - shrink) @ y)[:, 0], shrink @ train.nngp @ shrink, train.nngp
        )
        np.testing.assert_allclose(out.data_train.value[index], on_train, rtol=1e-7, atol=1e-10)
        error = y_test[:, 0] - mean
        noisy = cov + np.eye(M)
        bayes = -0.5 * (
            error @ np.linalg.solve(noisy, error)
            + np.linalg.slogdet(noisy)[1]
            + M * np.log(2 * np.pi)
        )
        gibbs = -0.5 * (error @ error + np.trace(cov) + M * np.log(2 * np.pi))
        np.testing.assert_allclose(out.bayes.value[index], bayes, rtol=1e-10)
        np.testing.assert_allclose(out.gibbs.value[index], gibbs, rtol=1e-10)
        np.testing.assert_allclose(
            out.test_loss.value[index], 0.5 * (error @ error + np.trace(cov)), rtol=1e-10
        )
        np.testing.assert_allclose(out.mean_test_loss.value[index], error @ error / 2, rtol=1e-10)


@given(seed=st.integers(0, 2**31))
def test_orderings(seed):
    with jax.enable_x64(True):
        train, cross, test, y, y_test = random_kernels(seed)
        out = run((train, cross, test), y, y_test)
        assert np.all(out.bayes.value >= out.gibbs.value - 1e-9)
        # Leaving oneself out only removes the largest term.
        assert np.all(out.input_lower.value <= np.log(M) + 1e-12)
        assert np.all(np.diff(out.train_loss.value) <= 1e-10)
        assert np.all(out.data_train.value >= -1e-8)
        assert np.all(out.data_test.value >= -1e-8)
        assert np.all(np.diff(out.path.value) >= -1e-12)
        np.testing.assert_allclose(out.data_test.value[0], 0, atol=1e-9)


def test_independent_outputs_add(x64):
    """Two columns of targets give the sum of two runs; only the sampled sandwich differs."""
    *kernels, y, y_test = random_kernels()
    rng = np.random.default_rng(5)
    y2, y_test2 = rng.normal(size=(N, 1)), rng.normal(size=(M, 1))
    rate = np.eye(N)
    a = run(kernels, y, y_test, nngp_rate=rate)
    b = run(kernels, y2, y_test2, nngp_rate=rate)
    both = run(
        kernels,
        np.hstack([y, y2]),
        np.hstack([y_test, y_test2]),
        nngp_rate=rate,
        key=jax.random.key(0),
    )
    names = ("train_loss", "test_loss", "gibbs", "bayes", "data_train", "data_test", "fisher_train")
    for name in (*names, "displacement", "path", "function_path", "parameter_information"):
        total = getattr(a, name).value + getattr(b, name).value
        np.testing.assert_allclose(getattr(both, name).value, total, rtol=1e-9, atol=1e-11)


def test_linearised_parameter_information(x64):
    """With K = Theta and its own rate 2 Theta it is the linear model's."""
    _, _, y, y_test, _, kernels = linear_model()
    exact = run(kernels, y, y_test, linear=True).parameter_information
    twin = run(kernels, y, y_test, nngp_rate=2 * kernels[0].ntk)
    np.testing.assert_allclose(twin.parameter_information.value, exact.value, rtol=1e-10)
    assert twin.parameter_status == "linearised"


def test_infinite_time_and_repeated_inputs(x64):
    """A repeated input makes Theta singular; that direction stays at its initial law.

    Without a rate of the kernel the parameter information is NaN and says so.
    """
    x = np.random.default_rng(2).normal(size=(4, 3))
    x = np.concatenate([x, x[:1]])
    kernel = infinite.mlp_kernels(x, depth=2, activation="erf", w_std=1.4, b_std=0.3)
    y = np.array([1.0, 0.0, -1.0, 2.0, 3.0])
    law = infinite.gradient_flow(kernel, y, [np.inf, 1e9])
    np.testing.assert_allclose(law.mean[0, :, 0], [2.0, 0.0, -1.0, 2.0, 2.0], atol=1e-8)
    np.testing.assert_allclose(law.cov[0], 0, atol=1e-8)
    out = infinite.ensemble_information(kernel, y, [np.inf])
    np.testing.assert_allclose(out.train_loss.value, 1.0, rtol=1e-8)
    assert not np.isfinite(out.data_train.value[0]) and not out.data_train.ok[0]
    early = infinite.ensemble_information(kernel, y, [0.1]).parameter_information
    assert np.isnan(early.value[0]) and not early.ok[0]
    # A density with respect to the law at time 0 that rounding made up is none.
    same = infinite.ensemble_information(
        kernel, y, [0.0, 1.0], test_train=kernel, test=kernel, y_test=y
    )
    for found in (same.data_train, same.data_test):
        assert np.isnan(found.value).all() and not np.any(found.ok)


@pytest.mark.parametrize("given", [np.float64, np.float32])
def test_what_is_left_of_a_kernel_by_rounding_is_no_covariance(x64, given):
    """On its own inputs the covariance falls like exp(-2 t Theta), below the rounding of K."""
    x = np.random.default_rng(2).normal(size=(4, 10))
    kernel = infinite.mlp_kernels(x, depth=2, activation="relu", w_std=1.4, b_std=0.1)
    w, v = np.linalg.eigh(np.asarray(kernel.ntk))
    times, y = np.geomspace(0.5, 30, 40), np.ones((4, 1))
    rounded = jax.tree.map(lambda part: np.asarray(part, given), kernel)
    out = infinite.ensemble_information(
        rounded, y, times, test_train=rounded, test=rounded, y_test=y, target_cov=np.eye(4)
    )
    # KL of N((1 - A) y, A K A) from N(0, K), and the capacity of y -> (1 - A) y with that noise.
    truth = []
    for t in times:
        a, b = (v * f(s) @ v.T for f, s in ((np.exp, -w * t), (np.expm1, w * t)))
        inverse = np.linalg.inv(np.asarray(kernel.nngp))
        shift = y - a @ y
        kl = np.trace(inverse @ a @ kernel.nngp @ a) + (shift.T @ inverse @ shift).item() - 4
        truth.append((kl / 2 + t * w.sum(), np.linalg.slogdet(np.eye(4) + b @ inverse @ b)[1] / 2))
    for found, wanted in zip((out.data_test, out.data_exact), np.transpose(truth)):
        ok = np.asarray(found.ok)
        assert ok[:5].all() and not ok[-5:].any()
        np.testing.assert_allclose(found.value[ok], wanted[ok], rtol=5e-3)


def test_input_information_between_its_bounds(x64):
    """Means from a Gaussian: I(X; Z) = 1/2 log(1 + 1/s^2)."""
    rng = np.random.default_rng(0)
    truth = 0.5 * np.log(1 + 1 / 0.25)
    mean = rng.normal(size=600)
    low, high = infinite.input_information(mean, np.full(600, 0.25))
    assert low.value < high.value
    assert abs(low.value - truth) < 4 * low.std_error + 0.01
    assert abs(high.value - truth) < 4 * high.std_error + 0.01
    # Sampled z, two independent outputs: twice the information.
    wide = rng.normal(size=(600, 2))
    low2, high2 = infinite.input_information(wide, np.full(600, 0.25), key=jax.random.key(0))
    assert abs(high2.value - 2 * truth) < 4 * high2.std_error + 0.05
    assert low2.value < high2.value


def test_input_information_of_two_inputs_by_integration(x64):
    """Two means d apart: the lower bound is that of a binary input, integrable by quad."""
    d, s = 1.7, 0.6

    def integrand(z):
        p, q = (np.exp(-((z - m) ** 2) / (2 * s * s)) / (s * np.sqrt(2 * np.pi)) for m in (0, d))
        return p * (np.log(p) - np.log((p + q) / 2))

    expected = integrate.quad(integrand, -8 * s, 8 * s, epsabs=1e-12)[0]
    low, _ = infinite.input_information(np.array([0.0, d]), np.full(2, s * s), nodes=80)
    np.testing.assert_allclose(low.value, expected, rtol=1e-6)


def test_labels_of_a_gaussian_channel(x64):
    from ibjax.infinite.sandwich import label_information

    rng = np.random.default_rng(0)
    z, e = rng.normal(size=(2, 4000, 1))
    y = 0.8 * z + 0.6 * e
    variance = np.full(4000, 0.5)
    value, error = label_information(jnp.asarray(z), jnp.asarray(variance), jnp.asarray(y))
    rho2 = np.cov(z[:, 0], y[:, 0], ddof=0)[0, 1] ** 2 / (y.var() * (z.var() + 0.5))
    np.testing.assert_allclose(value, -0.5 * np.log(1 - rho2), rtol=1e-10)
    np.testing.assert_allclose(error, np.sqrt(rho2 / 4000 + 0.5 / 4000**2), rtol=1e-10)


def test_labels_that_say_nothing_are_no_proved_information(x64):
    """Plug-in covariances read above 0 at independence: no direction may be promised."""
    from ibjax.infinite.sandwich import label_information

    mean, y = np.random.default_rng(0).normal(size=(2, 300, 50, 1))
    value, error = jax.vmap(label_information, (0, None, 0))(mean, jnp.full(50, 0.01), y)
    assert 0.5 / 100 < value.mean() < 1.5 / 100
    assert value.std() < 1.1 * error.mean()
    *_, y, y_test, _, (train, cross, test) = linear_model()
    found = infinite.ensemble_information(
        train, y, TIMES, test_train=cross, test=test, y_test=y_test, linear=True
    )
    assert found.label_lower.bias == "unknown"
    assert np.all(np.asarray(found.label_lower.std_error)[1:] > 0)


def test_frontier(x64):
    rho = np.array([0.3, 0.9, 0.6, 0.0])
    rate = np.array([0.0, 0.05, 0.3, 1.0, 3.0, 400.0])
    value = np.asarray(jax.jit(infinite.gaussian_frontier)(rate, rho))
    assert value[0] == 0
    # Saturates at I(X; Y); starts with slope rho_max^2.
    np.testing.assert_allclose(value[-1], -0.5 * np.sum(np.log(1 - rho**2)), rtol=1e-12)
    one = infinite.gaussian_frontier(rate, [0.9])
    np.testing.assert_allclose(one, -0.5 * np.log(1 - 0.81 * (1 - np.exp(-2 * rate))), rtol=1e-12)
    slope = jax.jit(jax.grad(infinite.gaussian_frontier))(0.0, rho)
    np.testing.assert_allclose(slope, 0.81, rtol=1e-12)
    # No split of the rate on a grid does better, and a fine grid comes close.
    split = np.random.default_rng(0).dirichlet(np.ones(3), 20000)
    reached = -0.5 * np.log(1 - rho[:3] ** 2 * (1 - np.exp(-2 * 1.0 * split))).sum(1)
    assert reached.max() <= value[3] + 1e-12
    assert reached.max() > value[3] - 1e-3


def test_jit_vmap_and_precision(dtype):
    train, cross, test, y, y_test = jax.tree.map(lambda a: jnp.asarray(a, dtype), random_kernels())
    out = run((train, cross, test), y, y_test)
    assert out.train_loss.value.dtype == dtype
    eager = out.displacement.value
    jitted = jax.jit(lambda t: infinite.ensemble_information(train, y, t).displacement.value)
    np.testing.assert_allclose(jitted(TIMES.astype(dtype)), eager, rtol=1e-5)
    several = jnp.stack([y, 2 * y])
    together = jax.vmap(
        lambda z: infinite.ensemble_information(train, z, TIMES).displacement.value
    )(several)
    np.testing.assert_allclose(together[0], eager, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "change,word",
    [
        ({"y": np.ones(N + 1)}, "y has shape"),
        ({"times": [-1.0]}, "times"),
        ({"test": None}, "together"),
        ({"y_test": np.ones((M, 2))}, "outputs"),
        ({"target_cov": np.eye(N + 1)}, "target_cov"),
        ({"target_cov": -np.eye(N)}, "target_cov has a negative eigenvalue"),
        ({"target_cov": np.triu(np.ones((N, N)))}, "target_cov is not symmetric"),
        ({"y": np.ones((N, 2)), "y_test": np.ones((M, 2))}, "key"),
    ],
)
def test_refusals(change, word):
    train, cross, test, y, y_test = random_kernels()
    options = {"train": train, "y": y, "times": TIMES, "test_train": cross, "test": test}
    with pytest.raises(ValueError, match=word):
        infinite.ensemble_information(**(options | {"y_test": y_test} | change))
