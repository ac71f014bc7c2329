"""Tables of little bias: exact biases, letters that never occur, thinning, sums of coins."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom, multinomial

from ibjax import bounds
from ibjax.bounds.supersamples import letters, nulls, polynomial, replica_tables


def exact_mean(table, p, q):
    m0, m1 = table.shape[0] - 1, table.shape[1] - 1
    return binom.pmf(np.arange(m0 + 1), m0, p) @ table @ binom.pmf(np.arange(m1 + 1), m1, q)


def two_letters(p, q):
    return polynomial.letter_information(p, q) + polynomial.letter_information(1 - p, 1 - q)


@pytest.mark.parametrize(
    ("draws", "letters", "most"), [(5, 2, 0.013), (15, 2, 0.0034), (15, 3, 0.0066), (50, 4, 0.0032)]
)
def test_the_bias_stays_within_its_stated_bound(draws, letters, most):
    table = polynomial.table(draws)
    stated = polynomial.largest_bias(draws, letters)
    assert stated < most
    rng = np.random.default_rng(draws)
    worst = 0.0
    for _ in range(300):
        p, q = rng.dirichlet(np.full(letters, rng.choice([0.05, 0.3, 1.0])), 2)
        if rng.random() < 0.3:
            q = p
        bias = sum(exact_mean(table, a, b) for a, b in zip(p, q))
        bias -= polynomial.letter_information(p, q).sum()
        worst = max(worst, abs(bias))
    # Grid points and directions that the grid misses: one per cent.
    assert 0.1 * stated < worst <= 1.01 * stated


def test_letters_that_never_occur_add_nothing_and_rows_are_symmetric():
    for draws in (1, 2, 7, 31, 60):
        table = polynomial.table(draws)
        assert table[0, 0] == 0
        np.testing.assert_allclose(table, table.T, atol=1e-12)
        assert np.abs(table).max() < 0.4


def test_against_the_plug_in_on_laws_of_every_kind():
    """The biases the estimator is chosen for: small where the plug-in is large."""
    table = polynomial.table(15)
    counts = np.arange(16) / 15
    plain = polynomial.letter_information(counts[:, None], counts[None])
    for p, q, plug_in in [(0.5, 0.5, 0.0176), (0.05, 0.05, 0.0181), (0.1, 0.2, 0.0204)]:
        means = [exact_mean(t, p, q) + exact_mean(t, 1 - p, 1 - q) for t in (plain, table)]
        assert means[0] - two_letters(p, q) == pytest.approx(plug_in, abs=6e-5)
        assert abs(means[1] - two_letters(p, q)) < 0.001


@pytest.mark.parametrize(("first", "second"), [(9, 5), (4, 4), (35, 70)])
def test_unequal_draws_keep_the_bias_of_the_smaller_table(first, second):
    table = polynomial.split_table(first, second)
    assert table.shape == (first + 1, second + 1)
    size = polynomial.draws_used(min(first, second), first == second)
    assert size <= min(first, second)
    for p, q in [(0.3, 0.3), (0.0, 0.2), (0.9, 0.4)]:
        assert exact_mean(table, p, q) == pytest.approx(
            exact_mean(polynomial.table(size), p, q), abs=1e-12
        )


def balanced(seed, k1, half, n):
    bits = np.random.default_rng(seed).integers(2, size=(k1, half, n))
    return np.stack([bits, 1 - bits], 2).reshape(k1, 2 * half, n)


def test_real_losses_are_the_mean_over_all_tosses_of_their_coins(x64):
    masks = balanced(0, 1, 2, 1)
    losses = np.random.default_rng(1).random((1, 4, 1, 2))
    for bound in (bounds.single_loss, bounds.ld_cmi, bounds.e_cmi):
        found = float(bound(losses, masks, correction="polynomial").information)
        total = 0.0
        tosses = np.array(list(itertools.product((0, 1), repeat=8))).reshape(-1, 1, 4, 1, 2)
        weights = np.where(tosses == 1, losses, 1 - losses).prod((1, 2, 3, 4))
        infos = jax.jit(
            jax.vmap(lambda e, bound=bound: bound(e, masks, correction="polynomial").information)
        )(tosses)
        total = weights @ np.asarray(infos)
        assert found == pytest.approx(total, abs=1e-10)


def test_real_losses_that_are_whole_are_counted_as_such(x64):
    masks = balanced(2, 2, 3, 4)
    losses = np.random.default_rng(2).integers(2, size=(2, 6, 4, 2))
    for correction in (None, "polynomial"):
        whole = bounds.ld_cmi(losses, masks, correction=correction)
        real = jax.jit(lambda e, c=correction: bounds.ld_cmi(e, masks, correction=c))
        np.testing.assert_allclose(real(losses.astype(float)).value, whole.value, atol=1e-12)
        np.testing.assert_allclose(real(losses).std_error, whole.std_error, atol=1e-12)


def test_known_and_unknown_masks_give_the_same(x64):
    rng = np.random.default_rng(3)
    masks = rng.integers(2, size=(2, 8, 5))
    losses = rng.integers(2, size=(2, 8, 5, 2))
    valid = np.arange(16).reshape(2, 8) % 5 > 0
    eager = bounds.single_loss(losses, masks, valid=valid, correction="polynomial")
    traced = jax.jit(lambda e, m, v: bounds.single_loss(e, m, valid=v, correction="polynomial"))
    found = traced(losses, masks, valid)
    for name in ("value", "information", "std_error"):
        np.testing.assert_allclose(getattr(found, name), getattr(eager, name), atol=1e-12)
    with pytest.raises(ValueError, match="50 masks that are not known yet"):
        jax.jit(lambda m: bounds.ld_cmi(np.zeros((1, 50, 2, 2), int), m, correction="polynomial"))(
            np.zeros((1, 50, 2), int)
        )


def population(rng, pairs):
    """Rates of a single loss with and without training: most pairs hold nothing."""
    laws = np.array([(0.02, 0.02), (0.02, 0.1), (0.0, 0.3), (0.05, 0.8)])
    return laws[rng.choice(4, pairs, p=(0.6, 0.25, 0.1, 0.05))]


@pytest.mark.parametrize("masks", [10, 30, 100])
def test_nearer_the_truth_than_the_plug_in_and_its_interval_covers(x64, masks):
    """Sixty draws of 200 pairs of known information, replicas and pairs independent."""
    rng = np.random.default_rng(masks)
    pairs, trials = 200, 60
    rates = population(rng, pairs)
    truth = two_letters(*rates.T).mean()
    bits = balanced(1, 1, masks // 2, pairs)
    # Both members behave alike, so that each column is a single loss of the pair's law.
    ghost = np.arange(2) != bits[..., None]
    chance = np.where(ghost, rates[:, 1, None], rates[:, 0, None])
    losses = (rng.random((trials, *ghost.shape)) < chance).astype(int)

    def each(correction):
        return jax.jit(jax.vmap(lambda e: bounds.single_loss(e, bits, correction=correction)))

    values, plain = each("polynomial")(losses), each(None)(losses).information
    info = np.asarray(values.information)
    assert np.mean((info - truth) ** 2) < np.mean((np.asarray(plain) - truth) ** 2)
    # Five standard errors of the mean of sixty trials, and the stated bias.
    stated = polynomial.largest_bias(masks // 2, 2)
    assert abs(info.mean() - truth) < stated + 5 * info.std() / np.sqrt(trials)
    low, high = (np.asarray(values.value + side * 1.96 * values.std_error) for side in (-1, 1))
    root = np.sqrt(2 * truth)
    # At 95 % six or more of sixty miss with probability .03, so ten with less than 1e-3.
    assert np.sum((low > root) | (high < root)) < 10
    # The bound with its allowance is on the safe side on average.
    slack = 5 * np.std(info) / root / np.sqrt(trials)
    assert np.mean(np.asarray(values.value)) > root - slack


def test_without_memory_the_value_is_within_its_error_of_zero(x64):
    rng = np.random.default_rng(5)
    for k1, half, n in ((1, 15, 60), (4, 10, 30)):
        masks = balanced(k1, k1, half, n)
        losses = (rng.random((k1, 2 * half, n, 2)) < rng.random(n)[:, None] / 2).astype(int)
        for bound in (bounds.single_loss, bounds.ld_cmi):
            value = bound(losses, masks, correction="polynomial")
            assert float(value.value) <= 1.96 * float(value.std_error) + 1e-9
            assert abs(float(value.information)) < 0.02
            plain = bound(losses, masks)
            assert not plain.value - 1.96 * plain.std_error < 0.1  # what is mended here


def test_correlated_supersamples_of_shared_masks_have_the_larger_error(x64):
    """Copies of one supersample tell no more than one; independent ones do."""
    masks = balanced(7, 1, 10, 20)
    losses = np.random.default_rng(7).integers(2, size=(1, 20, 20, 2))
    one = bounds.single_loss(losses, masks, correction="polynomial")
    copies = bounds.single_loss(losses.repeat(4, 0), masks[0], correction="polynomial")
    for name in ("value", "information", "std_error"):
        np.testing.assert_allclose(getattr(copies, name), getattr(one, name), atol=1e-12)


def test_letters_are_the_coins_of_both_members(x64):
    losses = np.random.default_rng(0).random((1, 3, 2, 2))
    data, _ = replica_tables.prepare_losses(losses, np.zeros((1, 3, 2), int), None)
    for alphabet, size in letters.SIZES.items():
        weights = np.asarray(letters.weights(alphabet, size, data))
        assert weights.shape[-1] == size
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-12)
    difference = np.asarray(letters.weights("difference", 3, data))[..., 0, :]
    np.testing.assert_allclose(
        difference @ np.array([-1, 0, 1]), losses[..., 1] - losses[..., 0], atol=1e-12
    )


@pytest.mark.parametrize("replicas", [2, 31, 32, 33, 70])
def test_bits_of_words_count_like_sums(x64, replicas):
    rng = np.random.default_rng(replicas)
    losses = rng.integers(2, size=(2, replicas, 3, 2))
    masks, valid = rng.integers(2, size=(2, 2, replicas, 3))
    data, _ = replica_tables.prepare_losses(losses, masks, valid == 1)
    fractions = data._replace(values=data.values.astype(float))
    for alphabet, size in letters.SIZES.items():
        counted = letters.counts(alphabet, size, data)
        np.testing.assert_array_equal(counted, letters.counts(alphabet, size, fractions))
    codes = data._replace(values=jnp.asarray(2 * losses[..., :1] + losses[..., 1:]))
    pairs = letters.counts("pair", 4, data)
    np.testing.assert_array_equal(letters.counts("codes", 4, codes), pairs)


def test_bounds_counted_together_have_the_nulls_of_each_alone(x64):
    rng = np.random.default_rng(3)
    masks, losses = rng.integers(2, size=(2, 6, 4)), rng.integers(2, size=(2, 6, 4, 2))
    polynomial_pair = {"correction": "polynomial", "inversion": "pair"}
    plans = [
        nulls.PLANS[bound](losses, masks, *rest, **how)
        for bound, rest, how in (
            (bounds.f_cmi, (2,), {"correction": "polynomial"}),
            (bounds.ld_cmi, (), polynomial_pair),
            (bounds.single_loss, (), {}),
            (bounds.ld_cmi, (), {"correction": "conservative"}),
        )
    ]
    for plan, found in zip(plans, nulls.of_plans(plans, draws=5)):
        (alone,) = nulls.of_plans([plan], draws=5)
        for mine, theirs in zip(found, alone):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_multinomial_letters(x64):
    """Four letters, all tables of six replicas: the exact mean is the sum over letters."""
    p, q = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.4, 0.2, 0.3, 0.1])
    table = polynomial.table(3)
    every = [c for c in itertools.product(range(4), repeat=4) if sum(c) == 3]
    mean = sum(
        multinomial.pmf(a, 3, p) * multinomial.pmf(b, 3, q) * table[a, b].sum()
        for a in map(np.array, every)
        for b in map(np.array, every)
    )
    assert mean == pytest.approx(sum(exact_mean(table, *rates) for rates in zip(p, q)), abs=1e-12)
