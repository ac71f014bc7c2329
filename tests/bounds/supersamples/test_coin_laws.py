import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibjax import bounds
from ibjax.bounds.supersamples import (
    cmi,
    coin_laws,
    jackknife,
    letters,
    polynomial,
    table_bounds,
)

LETTERS = [0.0, 0.5, 1.0, 1e-9]


def law(chances):
    """The law of a sum of coins, one coin after the other."""
    out = np.ones(1)
    for p in chances:
        out = np.convolve(out, [1 - p, p])
    return out


def plain(chances, sides, keep, lookup):
    """Sum over letters of E h[A, B] by its definition, with the replicas to keep."""
    zeros, ones = (sides[:, b] & keep for b in (0, 1))
    held = polynomial.split_table(*sorted((zeros.sum(), ones.sum())))
    held = held.T if zeros.sum() > ones.sum() else held
    return float(sum(law(p[zeros]) @ held @ law(p[ones]) for p in chances.T))


@pytest.mark.parametrize("replicas", [9, 150])
def test_means_over_coins_are_those_of_the_definition(replicas, x64):
    group, number = jackknife.groups(replicas), jackknife.count(replicas)
    left_out = jax.jit(lambda *parts: coin_laws.left_out(*parts[:2], group, *parts[2:]))
    whole = jax.jit(lambda *parts: coin_laws.left_out(*parts[:2], None, *parts[2:]))

    @settings(max_examples=8 if replicas < 100 else 2)
    @given(st.integers(0, 10_000))
    def check(seed):
        rng = np.random.default_rng(seed)
        chances = rng.beta(0.5, 2.0, (replicas, 2))
        tied = rng.random(chances.shape) < 0.3
        chances[tied] = rng.choice(LETTERS, tied.sum())
        mask = rng.permutation(np.arange(replicas) % 3 == 0)
        use = rng.random(replicas) < 0.9
        sides = np.stack([~mask & use, mask & use], 1)
        kept = [np.ones(replicas, bool), *(group != g for g in range(number))]
        sizes = [tuple((sides & keep[:, None]).sum(0)) for keep in kept]
        lookup = polynomial.lookup(sizes, 2)
        where = [keep for keep, size in zip(kept, sizes) if min(size) > 0]
        row = jnp.asarray([lookup.index[size] for size in sizes])
        turned = jnp.asarray([a > b for a, b in sizes])
        drawn = jnp.asarray(chances), jnp.asarray(sides)
        got = left_out(*drawn, (row, turned), lookup.table)
        got = [g for g, size in zip(got, sizes) if min(size) > 0]
        want = [plain(chances, sides, keep, lookup) for keep in where]
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
        alone = whole(*drawn, (row[:1], turned[:1]), lookup.table)
        np.testing.assert_allclose(alone, got[:1], rtol=1e-12, atol=1e-14)

    check()


@pytest.mark.parametrize("size", [2, 31, 577, 4000])
def test_a_window_holds_all_but_the_smallest_chances(size):
    points = coin_laws.window(size)
    assert points <= size
    if points < size:  # half of it off the mean, by Hoeffding
        assert 2 * np.exp(-2 * (points / 2 - 1) ** 2 / size) < 1e-18


def test_coins_that_never_vary_are_whole_counts(x64):
    rng = np.random.default_rng(3)
    masks = rng.integers(0, 2, (2, 12, 5))
    losses = rng.integers(0, 2, (2, 12, 5, 2))
    whole = bounds.ld_cmi(losses, masks, correction="polynomial")
    plan = cmi.ld_cmi_plan(losses, masks, correction="polynomial")
    rule, data, width = plan
    real = data._replace(values=data.values.astype(float))
    found = table_bounds.evaluate(rule, real, width)
    for name in ("value", "information", "std_error"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    assert letters.shown(rule.alphabet, rule.size, real) is None
