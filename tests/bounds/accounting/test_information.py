"""Information of a run by how its batches are drawn: tables, dispatch, tracing, missing inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bounds import (
    account,
    noisy_sgd_information,
    per_example_information,
    sample_information,
    sample_information_total,
)
from ibjax.interface import BATCHINGS

# n, b, T, eta, beta; I_i revealed and Poisson; sqrt(I/2) of Poisson, fixed size, bins, shuffled.
TABLE = [
    (120, 120, 200, 0.1, 500, 0.173611, 0.173611111, 0.294627825, 0.2946278, 0.2946278, 0.2946278),
    (120, 20, 200, 0.1, 500, 1.041667, 0.177391075, 0.297817960, 0.331805, 0.303255, 0.685301),
    (800, 80, 200, 0.1, 500, 0.0390625, 0.00391243351, 0.044229139, 0.044549, 0.044276, 0.056565),
    (1000, 100, 200, 0.1, 500, 0.025, 0.00250253222, 0.035373240, 0.035537, 0.035397, 0.043180),
    (1000, 10, 2000, 0.1, 500, 2.5, 0.0283154097, 0.118986154, 0.187171, 0.127271, 0.653243),
    (4000, 100, 1600, 0.004, 4000, 0.016, 0.000400152135, 0.0141448, 0.014167, 0.014148, 0.016061),
    (5000, 500, 200, 0.3, 1000, 0.006, 0.000600145813, 0.017322613, 0.017342, 0.017325, 0.019156),
    (60000, 600, 2000, 0.1, 5e3, 0.00694444, 6.94680824e-5, 0.0058936, 0.005902, 0.005895, 0.00665),
]  # fmt: skip


def run(n, b, steps, eta=0.1, beta=500.0, batching="poisson", dim=None, clip=1.0, **options):
    etas = np.full(steps, eta)
    stds = np.sqrt(2 * etas / beta)
    return per_example_information(etas, stds, clip, batching, b, n, dim, **options)


@pytest.mark.parametrize("row", TABLE)
def test_table_of_certificates(x64, row):
    n, b, steps, eta, beta, revealed, poisson, *roots = row
    settings = (n, b, steps, eta, beta)
    given = float(
        run(*settings, "without_replacement" if b < n else "full", shared_batches=True).value
    )
    assert given == pytest.approx(revealed, rel=1e-6)
    names = ("poisson", "without_replacement", "balls_and_bins", "epochs")
    values = [float(run(*settings, name).value) for name in names]
    assert values[0] == pytest.approx(poisson, rel=2e-9)
    np.testing.assert_allclose(np.sqrt(np.array(values) / 2), roots, atol=1.1e-6)
    assert all(
        steps * eta * beta / (4 * n**2) <= v * (1 + 1e-12) <= given * (1 + 1e-9) for v in values
    )


def test_sample_information_of_the_table(x64):
    etas, stds = np.full(200, 0.1), np.full(200, np.sqrt(2 * 0.1 / 500))
    for n, b, expected in [(120, 120, 20.83), (120, 20, 21.29), (1000, 100, 2.503)]:
        found = sample_information_total(etas, stds, 1.0, "poisson", b, n, None)
        assert float(found.value) == pytest.approx(expected, abs=6e-3)
        assert found.exact and found.bias == "up"


def test_the_batch_form_wins_in_one_dimension(x64):
    found = sample_information_total([1.0], [1e-3], 1.0, "full", 10, 10, 1)
    assert float(found.value) == pytest.approx(np.log1p(1e6) / 2, rel=1e-12)
    assert float(found.value) < 10 * np.log1p(1e4) / 2


@pytest.mark.parametrize("n, tau, exact, proved", [
    (10, 0.5, 0.16824, 0.19610), (100, 0.1, 0.34657, 0.49752), (1000, 0.01, 1.19895, 4.97517),
])  # fmt: skip
def test_mean_of_gaussians(x64, n, tau, exact, proved):
    """W = mean of Z + N(0, tau^2): the sum over examples against the information itself."""
    each = np.log1p(1 / (n * tau) ** 2) / 2
    assert n * each == pytest.approx(proved, abs=6e-6)
    assert np.log1p(1 / (n * tau**2)) / 2 == pytest.approx(exact, abs=6e-6) and exact <= proved


@pytest.mark.parametrize("name", [*BATCHINGS, "balls_and_bins", "truncated_poisson"])
def test_every_batching_is_the_full_batch_at_b_equal_n(x64, name):
    if name == "with_replacement":
        pytest.skip("drawing n times out of n is not the full batch")
    for dim in (3, None):
        found = float(run(20, 20, 12, batching=name, dim=dim).value)
        full = float(sample_information(*_schedule(12), 1.0, 20, 20, dim or 10**12).value)
        assert found == pytest.approx(full, rel=1e-9)


def _schedule(steps, eta=0.1, beta=500.0):
    return np.full(steps, eta), np.full(steps, np.sqrt(2 * eta / beta))


NAMES = [*BATCHINGS, "balls_and_bins", "truncated_poisson", np.nan]


@pytest.mark.parametrize("name", NAMES)
def test_monotone_in_steps_rate_temperature_and_clip(x64, name):
    def value(steps=12, eta=0.1, beta=500.0, clip=1.0, dim=50):
        b = 30 if name == "full" else 7
        return float(run(30, b, steps, eta, beta, name, dim, clip).value)

    now = value()
    assert 0 < now < np.inf
    larger = [value(steps=13), value(eta=0.15), value(beta=800.0), value(clip=1.2)]
    assert all(now < other for other in larger) and now <= value(dim=None)
    # Never above the worst that batches of unknown origin can do.
    assert now <= float(run(30, 30 if name == "full" else 7, 12, batching=np.nan, dim=50).value)


@pytest.mark.parametrize("shared", [False, True, np.nan])
def test_codes_traced_or_not_agree_with_names(x64, shared):
    etas, stds = _schedule(12)

    @jax.jit
    def traced(code, flag, b, n):
        found = per_example_information(etas, stds, 1.0, code, b, n, 50.0, shared_batches=flag)
        total = sample_information_total(etas, stds, 1.0, code, b, n, 50.0, shared_batches=flag)
        return found.value, total.value

    for code, name in enumerate(BATCHINGS):
        b = 30 if name == "full" else 8
        arguments = (etas, stds, 1.0, name, b, 30, 50)
        direct = per_example_information(*arguments, shared_batches=shared)
        whole = sample_information_total(*arguments, shared_batches=shared)
        one, total = traced(float(code), jnp.asarray(shared, float), 1.0 * b, 30.0)
        assert float(one) == pytest.approx(float(direct.value), rel=1e-12)
        assert float(total) == pytest.approx(float(whole.value), rel=1e-12)
        by_code = run(30, b, 12, batching=float(code), dim=50, shared_batches=shared)
        assert float(by_code.value) == pytest.approx(float(direct.value), rel=1e-12)
    worst = float(run(30, 8, 12, batching=np.nan, dim=50).value)
    for nothing in (np.nan, -1.0, 2.5, 99.0):
        one, _ = traced(nothing, jnp.asarray(shared, float), 8.0, 30.0)
        assert float(one) == pytest.approx(worst, rel=1e-12)


def test_batches_that_are_shared_are_never_amplified(x64):
    """Given the batches: q r^2/2, or what the worst sequence of them costs."""
    n, b, steps = 40, 10, 12
    r2 = 0.1 * 500 / (2 * b**2)
    worst = {"poisson": r2 / 2, "with_replacement": b**2 * r2 / (2 * n)}
    worst |= {"balls_and_bins": r2 / 2 / (n // b), "truncated_poisson": r2 / 2 * 29 / 40}
    for name in [*BATCHINGS[1:], "balls_and_bins", "truncated_poisson"]:
        for shared in (True, np.nan, 1.0):
            found = float(run(n, b, steps, batching=name, shared_batches=shared).value)
            expected = steps * worst.get(name, b / n * r2 / 2)
            assert found == pytest.approx(expected, rel=1e-12)
        assert float(run(n, b, steps, batching=name, shared_batches=0.0).value) <= found * (
            1 + 1e-12
        )


def test_a_shorter_last_batch_over_its_own_size(x64):
    """One example left over costs b times a full batch; dropping it would not."""
    n, b = 21, 10
    r2 = 0.1 * 500 / (2 * b**2)
    found = float(run(n, b, 3, batching="whole_epochs").value)
    assert found == pytest.approx(2 * b / n * r2 / 2 + b * b / n * r2 / 2, rel=1e-12)
    assert float(run(n, b, 2, batching="whole_epochs").value) == pytest.approx(
        b / n * r2, rel=1e-12
    )
    even = [
        float(run(20, 10, 4, 0.001, batching=name).value) for name in ("whole_epochs", "epochs")
    ]
    assert even[0] == even[1]
    # Elsewhere a smaller batch is not accounted for by the rule: any weights on that many.
    short = float(run(n, b, 3, batching="poisson", smallest_batch=2).value)
    assert short == pytest.approx(3 * (0.1 * 500 / 2) / 2 / (2 * n), rel=1e-12)
    # Draws with replacement may be one example several times: the size of a batch says nothing.
    known, least = (
        float(run(n, b, 3, batching="with_replacement", smallest_batch=s).value) for s in (10, 9)
    )
    assert least == pytest.approx(3 * 0.1 * 500 / 2 / (2 * n), rel=1e-12) and least > known
    # Fewer than the remainder: it is not known in which step.
    odd = float(run(25, b, 3, batching="whole_epochs", smallest_batch=2).value)
    assert odd == pytest.approx(3 * (0.1 * 500 / 2) / 2 / (2 * 25), rel=1e-12)
    same = [float(run(n, b, 3, smallest_batch=s).value) for s in (10, np.nan, None)]
    assert same[0] == same[1] == same[2]


def test_steps_of_size_zero_cost_nothing_and_steps_without_noise_everything(x64):
    for name in NAMES:
        b = 30 if name == "full" else 6
        etas, stds = np.repeat([0.1, 0.0], [11, 1]), np.repeat([0.02, 0.0], [11, 1])
        padded = per_example_information(etas, stds, 1.0, name, b, 30, 50)
        whole = per_example_information(
            etas[:1].repeat(12), stds[:1].repeat(12), 1.0, name, b, 30, 50
        )
        fresh = name in ("full", "fixed", "poisson", "without_replacement", "with_replacement")
        assert float(padded.value) < float(whole.value)
        if fresh:
            assert float(padded.value) == pytest.approx(11 / 12 * float(whole.value), rel=1e-12)
        silent = per_example_information(etas, 0 * stds, 1.0, name, b, 30, 50)
        assert float(silent.value) == np.inf and not bool(silent.ok)
        unclipped = per_example_information(etas, stds, np.inf, name, b, 30, 50)
        assert float(unclipped.value) == np.inf
        total = sample_information_total(etas, 0 * stds, 1.0, name, b, 30, 50)
        assert float(total.value) == np.inf
        assert float(per_example_information(etas, stds, 0.0, name, b, 30, 50).value) == 0


def test_missing_inputs_are_missing(x64):
    for name in ("poisson", "epochs", "with_replacement", "without_replacement", "whole_epochs"):
        for change in (dict(n=np.nan), dict(b=np.nan), dict(clip=np.nan), dict(eta=np.nan)):
            found = run(**(dict(n=30, b=6, steps=12, batching=name) | change))
            assert np.isnan(found.value) and not bool(found.ok)
    # Where nothing is known of the batches, nothing of them is used.
    assert np.isfinite(run(30, np.nan, 12, batching=np.nan).value)


def test_precision_and_gradient(dtype):
    etas = jnp.full(12, 0.1, dtype)
    stds = jnp.full(12, 0.02, dtype)
    for name in NAMES:
        b = 30 if name == "full" else 6

        def value(clip, name=name, b=b):
            return per_example_information(etas, stds, clip, name, b, 30, 50).value

        found, slope = jax.jit(jax.value_and_grad(value))(jnp.asarray(1.0, dtype))
        assert found.dtype == dtype and np.isfinite(slope) and slope > 0


def test_float32_totals_lie_above(x64):
    for name in NAMES[1:]:
        etas, stds = _schedule(12)
        args = (1.0, name, 10, 100, 5000)
        low = per_example_information(etas.astype("float32"), stds.astype("float32"), *args)
        high = per_example_information(
            etas.astype("float32").astype(float), stds.astype("float32").astype(float), *args
        )
        assert float(low.value) >= float(high.value)
        assert float(low.value) == pytest.approx(float(high.value), rel=5e-4)


def test_sum_over_examples_never_above_the_batch_form_in_many_dimensions(x64):
    etas, stds = _schedule(12)
    for name, b in [("full", 30), ("without_replacement", 6), ("poisson", 6)]:
        batch = float(noisy_sgd_information(etas, stds, 1.0, 10**6, form="linear").value)
        found = float(sample_information_total(etas, stds, 1.0, name, b, 30, 10**6).value)
        assert found < batch / b * 1.4


@pytest.mark.parametrize("change, message", [
    (dict(batching="shuffled"), "one random permutation an epoch is 'epochs', not 'poisson'"),
    (dict(batching=11.0), "is no position in"),
    (dict(batching="full"), "batching='full' with batch_size=6 of n=30"),
    (dict(b=31), "batch_size=31 exceeds n=30"),
    (dict(clip=-1.0), "clip holds -1"),
    (dict(dim=0), "dim=0 must be"),
    (dict(steps=0), "give one of each a step"),
])  # fmt: skip
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        run(**(dict(n=30, b=6, steps=4) | change))


@pytest.mark.parametrize("size", [1e-18, 1e-25, 1e-37])
@pytest.mark.parametrize("batching", ["full", "without_replacement", "poisson", "whole_epochs"])
def test_what_rounding_would_lose_is_not_certified_to_be_nothing(dtype, batching, size):
    n = 1000
    run = (np.full(3, 0.1, dtype), np.full(3, 0.02, dtype))
    how = dict(batching=batching, batch_size=n if batching == "full" else 100, n=n, dim=5)
    found = account(*run, clip=np.asarray(size, dtype), **how)
    none = account(*run, clip=np.asarray(0.0, dtype), **how)
    larger = account(*run, clip=np.asarray(1e-3, dtype), **how)
    for part in ("per_example", "per_sample", "gap"):
        small, zero, more = (float(getattr(a, part).value) for a in (found, none, larger))
        assert zero == 0 < small < more, part
