"""Masks without meaning: exact means, couples of complements, the same quantity as the row."""

import itertools

import jax
import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from ibjax import bounds
from ibjax.bounds.evidence import tabulated
from ibjax.bounds.supersamples import flips, letters, nulls, replica_tables


def balanced(seed, k1, half, n):
    bits = np.random.default_rng(seed).integers(2, size=(k1, half, n))
    return np.stack([bits, 1 - bits], 2).reshape(k1, 2 * half, n)


def prepared(losses, masks, valid=None):
    return replica_tables.prepare_losses(losses, masks, valid)[0]


def dealt_masks(key, data, draws):
    deals = flips.strangers(key, data, draws)
    return np.stack([flips.dealt(data.masks, deal) for deal in deals])


def test_flip_mean_is_the_mean_over_all_turns(x64):
    masks = balanced(0, 1, 4, 2)
    losses = np.random.default_rng(1).integers(2, size=(1, 8, 2, 2))
    data = prepared(losses, masks)
    codes = losses[..., 1] - losses[..., 0]
    wanted = np.zeros(2)
    for turns in itertools.product((0, 1), repeat=4):
        turned = masks[0] ^ np.repeat(turns, 2)[:, None]
        wanted += [mutual_info_score(codes[0, :, i], turned[:, i]) / 16 for i in range(2)]
    weights = letters.weights("difference", 3, data)
    np.testing.assert_allclose(flips.flip_mean(weights, data)[0, 0], wanted, atol=1e-12)


def test_correlated_couples_are_not_over_corrected(x64):
    """The two runs of a couple share their hardness; nothing is known about the bit itself."""
    rng = np.random.default_rng(2)
    k1, half, n = 40, 15, 60
    masks = balanced(3, k1, half, n)
    first = rng.random((k1, half, n, 2)) < 0.3
    same = rng.random(first.shape) < 0.5
    second = np.where(same, first, rng.random(first.shape) < 0.3)
    losses = np.stack([first, second], 2).reshape(k1, 2 * half, n, 2).astype(int)
    corrected = bounds.single_loss(losses, masks, correction="permutation")
    plain = bounds.single_loss(losses, masks)
    data = prepared(losses, masks)
    assert bool(flips.complementary(data))
    # Cells are independent: mean plug-in .0092, and zero is left to within five errors.
    assert float(plain.information) == pytest.approx(0.0092, abs=5e-4)
    assert abs(float(corrected.information)) < 5 * 0.0165 / np.sqrt(2 * k1 * n)
    # Over all permutations the mean is twice as large: it would over-correct by .009.
    shuffled = data._replace(masks=data.masks[:, ::-1].at[:, 0].set(data.masks[:, 2]))
    assert not bool(flips.complementary(shuffled))


def test_deals_keep_the_design_of_the_masks():
    masks = balanced(4, 2, 5, 3)
    data = prepared(np.zeros((2, 10, 3, 2), int), masks)
    dealt = dealt_masks(jax.random.key(1), data, 20)
    assert dealt.shape == (20, 2, 10, 3)
    assert (dealt[:, :, 0::2] + dealt[:, :, 1::2] == 1).all()
    assert (dealt[:, 0] != dealt[:1, 0]).any()
    fair = np.random.default_rng(0).integers(2, size=(2, 7, 3))
    data = prepared(np.zeros((2, 7, 3, 2), int), fair)
    for deal in dealt_masks(jax.random.key(1), data, 20):
        for old, new in zip(fair, deal):
            assert sorted(map(tuple, old)) == sorted(map(tuple, new))


# Mean plug-in information and root of one fair letter at rate one half: 10 and 30 masks.
EXACT = [(30, 0.01761131, 0.14802512)]


@pytest.mark.parametrize(("masks", "information", "root"), EXACT)
def test_a_learner_without_memory_has_its_exact_null(x64, masks, information, root):
    bits = balanced(masks, 2, masks // 2, 200)
    losses = np.random.default_rng(masks).integers(2, size=(*bits.shape, 2))
    law = nulls.null(bounds.single_loss, losses, bits, draws=20)
    # 800 tables, each dealt 20 times: the sample of tables dominates, sd below the mean itself.
    assert float(law.mean) == pytest.approx(root, abs=5 * root / np.sqrt(800))
    assert float(law.information) == pytest.approx(information, abs=5 * information / np.sqrt(800))
    value = bounds.single_loss(losses, bits)
    assert nulls.verdict(value, law, masks) == f"no memory seen with {masks} masks"


def test_the_null_is_that_of_the_printed_quantity(x64):
    masks = balanced(5, 2, 5, 6)
    rng = np.random.default_rng(6)
    losses = rng.integers(2, size=(2, 10, 6, 2))
    key = jax.random.key(3)
    for bound, keywords in [
        (bounds.ld_cmi, {"inversion": "pair", "correction": "polynomial"}),
        (bounds.ld_cmi, {"inversion": "phi", "clip": (-1.0, 3.0)}),
    ]:
        law = nulls.null(bound, losses, masks, draws=3, key=key, **keywords)
        dealt = dealt_masks(key, prepared(losses, masks), 3)
        values = [float(bound(losses, m, **keywords).value) for m in dealt]
        assert float(law.mean) == pytest.approx(np.mean(values), abs=1e-9)
        assert float(law.spread) == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_the_null_of_another_function(x64):
    masks = balanced(8, 2, 5, 6)
    losses = np.random.default_rng(8).integers(2, size=(2, 10, 6, 2))
    law = nulls.null(bounds.f_information, losses, masks, form="chi2", draws=5)
    dealt = dealt_masks(jax.random.key(0), prepared(losses, masks), 5)
    values = [float(bounds.f_information(losses, m, form="chi2").value) for m in dealt]
    assert float(law.mean) == pytest.approx(np.mean(values), abs=1e-9)


def test_memory_stands_above_its_null(x64):
    masks = balanced(9, 2, 5, 6)
    ghost = np.arange(2) != masks[..., None]
    losses = (ghost & (np.random.default_rng(9).random(ghost.shape) < 0.7)).astype(int)
    for correction in ("polynomial", "conservative"):
        value = bounds.ld_cmi(losses, masks, correction=correction)
        law = nulls.null(bounds.ld_cmi, losses, masks, correction=correction, draws=40)
        assert nulls.verdict(value, law, 10) == "above its null"
    missing = bounds.ld_cmi(losses, masks[:, :1].repeat(10, 1), correction="conservative")
    assert nulls.verdict(missing, law, 10) == "no null"


def test_conservative_is_the_root_of_the_mean_plug_in_of_balanced_masks(x64):
    masks = balanced(10, 2, 5, 6)
    losses = np.random.default_rng(10).integers(2, size=(2, 10, 6, 2))
    plain = bounds.ld_cmi(losses, masks)
    found = bounds.ld_cmi(losses, masks, correction="conservative")
    assert float(found.information) == pytest.approx(float(plain.information), abs=1e-12)
    assert float(found.value) == pytest.approx(np.sqrt(2 * float(plain.information)), abs=1e-12)
    fair = np.random.default_rng(0).integers(2, size=masks.shape)
    missing = bounds.ld_cmi(losses, fair, correction="conservative")
    assert not bool(missing.holds) and "half of its masks" in missing.note


def test_balanced_plug_in_is_not_below_the_truth_in_expectation(x64):
    """All outcomes of two couples: two runs with each bit, laws p and q, enumerated."""
    p, q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    masks = np.array([0, 1, 0, 1])[None, :, None]
    outcomes = np.array(list(itertools.product(range(3), repeat=4)))
    chance = np.where(masks[0, :, 0] == 0, p[outcomes], q[outcomes]).prod(1)
    pairs = np.array([(1, 0), (0, 0), (0, 1)])  # differences -1, 0, 1
    losses = pairs[outcomes][:, None, :, None]
    each = jax.vmap(lambda e: bounds.ld_cmi(e, masks, correction="conservative").information)
    middle = (p + q) / 2
    truth = np.sum(p * np.log(p / middle) + q * np.log(q / middle)) / 2
    assert chance @ np.asarray(each(losses)) >= truth


class Moment(dict):
    __getattr__ = dict.__getitem__


def test_rows_and_their_nulls(x64):
    masks = balanced(11, 2, 5, 6)
    losses = np.random.default_rng(11).integers(2, size=(2, 10, 6, 2))
    given = {"mask": masks, "predictions": losses, "labels": np.zeros((2, 6, 2)), "num_classes": 2}
    now = bounds.at(bounds.from_arrays(given))
    found = tabulated.loss_differences(now)
    wanted = bounds.ld_cmi(losses, masks, correction="polynomial")
    assert float(found.value) == float(wanted.value)
    law = tabulated.loss_differences.null(now)
    twin = nulls.null(bounds.ld_cmi, losses, masks, correction="polynomial")
    assert float(law.mean) == float(twin.mean)
    half = bounds.at(bounds.from_arrays({"mask": masks, "losses": losses * 0.5}))
    real = tabulated.single_losses(half)
    wanted = bounds.single_loss(losses * 0.5, masks, correction="polynomial")
    assert float(real.value) == float(wanted.value)
    assert not bool(tabulated.predictions(half).holds)
    assert np.isnan(tabulated.predictions.null(half).mean)
    alone = now._replace(mask=masks[:, :1])
    assert not bool(tabulated.loss_differences(alone).holds)
