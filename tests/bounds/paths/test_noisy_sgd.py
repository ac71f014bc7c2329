"""Trajectory information: Gaussian closed forms, orderings, and edge cases of the noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibjax.bounds import noisy_sgd_information, sample_information

# n, d, variance, eta, beta, T and: I(W_T;S), I(path;S), log form, linear form, I(path;Z_i).
LINEAR_MODEL = [
    ((10, 1, 1.0, 0.1, 50, 100), (0.87457799, 1.62904827, 11.15717757, 12.5, 0.05054806)),
    ((10, 2, 1.0, 0.05, 200, 50), (2.87432985, 3.25809654, 20.27325541, 25.0, 0.10109612)),
    (
        (100, 10, 1.0, 0.01, 1000, 500),
        (11.90702799, 16.29048269, 121.97541042, 125.0, 0.04830955),
    ),
]


@pytest.mark.parametrize(("case", "printed"), LINEAR_MODEL)
def test_langevin_on_a_quadratic(x64, case, printed):
    """l = |w - z|^2/2: the gradient W - mean varies by N(0, variance/n I) given W."""
    n, d, variance, eta, beta, steps = case
    eta_t = np.full(steps, eta)
    std = np.full(steps, np.sqrt(2 * eta / beta))
    norm = np.sqrt(d * variance / n)
    log = float(noisy_sgd_information(eta_t, std, norm, d).value)
    linear = float(noisy_sgd_information(eta_t, std, norm, d, form="linear").value)
    assert log == pytest.approx(printed[2], abs=1e-8)
    assert linear == pytest.approx(printed[3], abs=1e-9)
    a = 1 - (1 - eta) ** steps
    q = 2 * eta / beta
    spread = q * (1 - (1 - eta) ** (2 * steps)) / (1 - (1 - eta) ** 2)
    last = d / 2 * np.log1p(a**2 * variance / (n * spread))
    path = d / 2 * np.log1p(steps * eta**2 * variance / (n * q))
    assert (last, path) == (pytest.approx(printed[0]), pytest.approx(printed[1]))
    assert last <= path <= log <= linear


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_sample_information_dominates_enumerated_information(x64, batch):
    """Two-point gradients of norm clip on a path without feedback: I(path; Z_i) by quadrature."""
    n, eta, std, clip, steps = 5, 0.3, 0.4, 1.0, 10
    per_example = eta * clip / batch / std
    uses = steps * batch / n
    # Z_i = +-1 seen `uses` times in Gaussian noise, the others known: one channel of gain
    # sqrt(uses); I = log 2 - E log(1 + exp(-2 a (a + N))).
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    gain = np.sqrt(uses) * per_example
    exact = np.log(2) - weights @ np.logaddexp(0, -2 * gain * (gain + nodes))
    args = (np.full(steps, eta), np.full(steps, std), clip, batch, n, 1)
    log = float(sample_information(*args).value)
    linear = float(sample_information(*args, form="linear").value)
    assert exact <= log <= linear
    assert linear == pytest.approx(uses * per_example**2 / 2, rel=1e-12)


@given(st.integers(1, 20), st.floats(0.01, 2.0), st.integers(1, 50))
def test_full_batch_is_n_times_smaller_than_one_example_replaced(x64, n, std, d):
    """With b = n the mean bound is the whole-sample bound at norm clip/n."""
    steps, noise = np.linspace(0.1, 0.3, 4), np.full(4, std)
    one = sample_information(steps, noise, 2.0, n, n, d).value
    assert float(one) == pytest.approx(
        float(noisy_sgd_information(steps, noise, 2.0 / n, d).value), rel=1e-12
    )
    whole = noisy_sgd_information(steps, noise, 2.0, d).value
    linear = sample_information(steps, noise, 2.0, n, n, d, form="linear").value
    full = noisy_sgd_information(steps, noise, 2.0, d, form="linear").value
    assert float(linear) * n**2 == pytest.approx(float(full), rel=1e-12)
    assert float(one) <= float(whole) + 1e-12


def test_edges_of_the_schedule():
    inf = noisy_sgd_information([0.1, 0.1], [0.0, 1.0], 1.0, 3)
    assert np.isinf(inf.value) and not bool(inf.ok) and inf.bias == "up"
    assert float(noisy_sgd_information([0.0], [0.0], 1.0, 3).value) == 0
    assert float(noisy_sgd_information([0.0, 0.0], [1.0, 0.0], np.inf, 3).value) == 0
    assert np.isinf(sample_information([0.1], [1.0], np.inf, 2, 4, 3).value)
    assert np.isnan(noisy_sgd_information([0.1], [np.nan], 1.0, 3).value)
    per_step = noisy_sgd_information([0.1, 0.2], [1.0, 1.0], [3.0, 0.0], 3)
    one = noisy_sgd_information([0.1], [1.0], 3.0, 3)
    assert float(per_step.value) == pytest.approx(float(one.value))
    assert float(one.std_error) == 0


def test_jit_vmap_grad_and_dtype(dtype):
    steps, noise = np.array([0.1, 0.2], dtype), np.array([0.5, 0.4], dtype)
    eager = noisy_sgd_information(steps, noise, 2.0, 7)
    assert eager.value.dtype == dtype
    traced = jax.jit(noisy_sgd_information)(steps, noise, 2.0, 7)
    np.testing.assert_allclose(traced.value, eager.value, rtol=1e-6)
    grid = np.stack([noise, 2 * noise])
    mapped = jax.vmap(lambda s: noisy_sgd_information(steps, s, 2.0, 7).value)(grid)
    loop = [noisy_sgd_information(steps, s, 2.0, 7).value for s in grid]
    np.testing.assert_allclose(mapped, loop, rtol=1e-6)
    mapped = jax.vmap(lambda c: sample_information(steps, noise, c, 2, 6, 7).value)(grid[:, 0])
    loop = [sample_information(steps, noise, c, 2, 6, 7).value for c in grid[:, 0]]
    np.testing.assert_allclose(mapped, loop, rtol=1e-6)
    slope = jax.grad(lambda s: noisy_sgd_information(s, noise, 2.0, 7).value)(jnp.zeros(2))
    assert np.isfinite(slope).all()


def test_one_trace_for_swept_scalars():
    traces = []

    @jax.jit
    def information(clip, batch):
        traces.append(1)
        return sample_information(jnp.ones(3), jnp.ones(3), clip, batch, 10, 5).value

    values = [float(information(clip, batch)) for clip, batch in [(1.0, 2.0), (2.0, 5.0)]]
    assert len(traces) == 1
    assert values[0] != values[1]
    assert np.isnan(information(1.0, 11.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step_sizes": [-0.1]}, "step_sizes holds -0.1"),
        ({"noise_stds": [1.0, 1.0]}, "one of each a step"),
        ({"form": "cubic"}, "form='cubic'"),
        ({"dim": 0}, "dim=0"),
        ({"clip": -1.0}, "clip holds -1"),
        ({"batch_size": 9}, "batch_size=9 exceeds n=4"),
    ],
)
def test_refusals(change, message):
    arguments = {
        "step_sizes": [0.1],
        "noise_stds": [1.0],
        "clip": 1.0,
        "batch_size": 2,
        "n": 4,
        "dim": 3,
    }
    with pytest.raises(ValueError, match=message):
        sample_information(**(arguments | change))


@pytest.mark.parametrize("form", ["log", "linear"])
def test_what_rounding_would_lose_is_not_nothing(dtype, form):
    steps, noise = np.full(3, 0.1, dtype), np.full(3, 0.02, dtype)
    for size in (1e-18, 1e-30):
        norm = np.asarray(size, dtype)
        path = noisy_sgd_information(steps, noise, norm, 5, form=form)
        example = sample_information(steps, noise, norm, 10, 100, 5, form=form)
        for found in (path, example):
            assert 0 < float(found.value) < 1e-15
    still = noisy_sgd_information(steps, noise, np.asarray(0.0, dtype), 5, form=form)
    assert float(still.value) == 0
