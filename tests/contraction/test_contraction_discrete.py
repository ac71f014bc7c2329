import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from ibjax import contraction

K3 = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])


def bsc(d):
    return np.array([[1 - d, d], [d, 1 - d]])


def random_channel(seed, k=3, m=4, concentration=0.5):
    return np.random.default_rng(seed).dirichlet(np.full(m, concentration), k)


def twin(channel):
    """The pair formula by a bounded scalar search, pair by pair."""
    best = 0.0
    for i, p_row in enumerate(channel):
        for r_row in channel[:i]:
            ends = (p_row[r_row == 0].sum(), r_row[p_row == 0].sum())

            def negative(p, a=p_row, b=r_row):
                mix = (1 - p) * a + p * b
                on = mix > 0
                return -p * (1 - p) * np.sum((a - b)[on] ** 2 / mix[on])

            found = minimize_scalar(
                negative, bounds=(0, 1), method="bounded", options={"xatol": 1e-12}
            )
            best = max(best, -found.fun, *ends)
    return best


@pytest.mark.parametrize(
    ("channel", "eta", "dobrushin"),
    [
        (bsc(0.05), 0.81, 0.9),
        (bsc(0.1), 0.64, 0.8),
        (bsc(0.25), 0.25, 0.5),
        (np.array([[0.9, 0, 0.1], [0, 0.9, 0.1]]), 0.9, 0.9),
        (np.array([[0.5, 0, 0.5], [0, 0.5, 0.5]]), 0.5, 0.5),
        (np.array([[1, 0], [0.2, 0.8]]), 0.8, 0.8),
        (np.array([[1, 0], [0.5, 0.5]]), 0.5, 0.5),
        (np.array([[0.7, 0.3], [0.1, 0.9]]), 0.3850454583, 0.6),
        (K3, 0.3759620473, 0.6),
        (np.kron(bsc(0.1), bsc(0.1)), 0.7804878049, None),
        (np.kron(bsc(0.1), np.kron(bsc(0.1), bsc(0.1))), 0.8988054795, None),
        (np.eye(3)[[2, 0, 1]], 1.0, 1.0),
        (np.full((3, 4), 0.25), 0.0, 0.0),
        (np.array([[0.3, 0.7]]), 0.0, 0.0),
    ],
)
def test_known_channels(x64, channel, eta, dobrushin):
    got = contraction.kl(channel)
    assert got.value == pytest.approx(eta, abs=6e-11)
    assert (got.kind, got.scope) == ("exact", "channel")
    np.testing.assert_allclose(-np.expm1(got.log1m), got.value, atol=1e-14)
    if dobrushin is not None:
        assert contraction.tv(channel).value == pytest.approx(dobrushin, abs=1e-12)


def test_the_coefficient_of_disjoint_rows_is_exactly_one(x64):
    got = contraction.kl(np.eye(2))
    assert float(got.value) == 1.0 and float(got.log1m) == -np.inf


def test_maximal_correlation(x64):
    uniform = contraction.chi2(np.full(3, 1 / 3), K3)
    assert uniform.value == pytest.approx(0.3068600910, abs=6e-11)
    assert contraction.chi2([0.5, 0.3, 0.2], K3).value == pytest.approx(0.3429024271, abs=6e-11)
    assert uniform.scope == "input"
    assert contraction.chi2([1.0, 0.0, 0.0], K3).value == pytest.approx(0.0, abs=1e-30)


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.5])
def test_dropout_of_two_units_by_enumeration(x64, correlation):
    values = [(a, b) for a in (-1, 1) for b in (-1, 1)]
    outputs = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    channel = np.zeros((4, 9))
    for i, v in enumerate(values):
        for keep in [(0, 0), (0, 1), (1, 0), (1, 1)]:
            channel[i, outputs.index((v[0] * keep[0], v[1] * keep[1]))] += 0.25
    assert contraction.kl(channel).value == pytest.approx(0.75, abs=1e-12)
    assert contraction.dropout(0.5, 2).value == pytest.approx(0.75, abs=1e-15)
    law = np.array([0.25 + correlation / 2, 0.25 - correlation / 2] * 2)
    law[2:] = law[1::-1]
    exact = {0.0: 0.5, 0.25: 0.625, 0.5: 0.75}[correlation]
    assert contraction.chi2(law, channel).value == pytest.approx(exact, abs=1e-12)


@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.5, 3.0]))
def test_exact_coefficient_against_a_slow_twin_and_its_sandwich(seed, concentration):
    channel = random_channel(seed, concentration=concentration)
    channel[channel < 1e-9] = 0
    channel /= channel.sum(1, keepdims=True)
    with jax.enable_x64(True):
        eta, dobrushin = map(float, (contraction.kl(channel).value, contraction.tv(channel).value))
        local = float(contraction.chi2(np.full(3, 1 / 3), channel).value)
    assert eta == pytest.approx(twin(channel), abs=1e-9)
    overlap = min(np.sqrt(a * b).sum() for a in channel for b in channel)
    assert 1 - overlap - 1e-12 <= eta <= min(1 - overlap**2, dobrushin) + 1e-12
    assert local <= eta + 1e-12


@given(st.integers(0, 10**6))
def test_no_pair_of_laws_keeps_more_of_its_divergence(seed):
    rng = np.random.default_rng(seed)
    channel = random_channel(seed, concentration=1.0)
    p, q = rng.dirichlet(np.ones(3), (2, 200))

    def divergence(a, b):
        return np.sum(a * np.log(a / b), -1)

    ratio = divergence(p @ channel, q @ channel) / divergence(p, q)
    with jax.enable_x64(True):
        assert np.max(ratio) <= float(contraction.kl(channel).value) + 1e-9


@given(st.integers(0, 10**6))
def test_two_channels_in_a_row_contract_at_least_by_the_product(seed):
    first, second = random_channel(seed, 3, 4), random_channel(seed + 1, 4, 3)
    with jax.enable_x64(True):
        both = contraction.compose([contraction.kl(first), contraction.kl(second)])
        assert contraction.kl(first @ second).value <= both.value + 1e-12


def test_jit_vmap_and_gradient(x64):
    channels = np.stack([random_channel(s, 4, 5) for s in range(3)])
    batch = jax.jit(jax.vmap(contraction.kl))(channels)
    loop = [contraction.kl(c).value for c in channels]
    np.testing.assert_allclose(batch.value, loop, rtol=1e-12)
    np.testing.assert_allclose(
        jax.vmap(contraction.tv)(channels).value, [contraction.tv(c).value for c in channels]
    )
    slope = jax.grad(lambda d: contraction.kl(jnp.array([[1 - d, d], [d, 1 - d]])).value)(0.1)
    assert slope == pytest.approx(-4 * (1 - 0.2), abs=1e-9)


def test_a_channel_of_256_by_256_takes_under_a_second(x64):
    channel = random_channel(0, 256, 256, 1.0)
    contraction.kl(channel).value.block_until_ready()
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        value = contraction.kl(channel).value.block_until_ready()
        best = min(best, time.perf_counter() - start)
    assert best < 1.0
    assert value == pytest.approx(0.4200909338915954, abs=1e-12)


@pytest.mark.parametrize(
    ("channel", "words"),
    [([[0.5, 0.6]], "sums to"), ([[1.5, -0.5]], "holds"), ([0.5, 0.5], "shape")],
)
def test_what_is_no_channel_is_refused(channel, words):
    for function in (contraction.kl, contraction.tv):
        with pytest.raises(ValueError, match=words):
            function(channel)
    with pytest.raises(ValueError, match="entries"):
        contraction.chi2([0.5, 0.5], K3)


def test_a_traced_bad_channel_gives_nan():
    assert np.isnan(jax.jit(contraction.kl)(np.array([[0.5, 0.6], [1.0, 0.0]])).value)
