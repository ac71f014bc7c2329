"""In/out matrices: pairs found or drawn, single examples, leave-one-out, common mistakes."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ibjax import bounds
from ibjax.bounds.supersamples import examples, mistakes, subset_bound


def memory(seed, membership, inside=0.05, outside=0.3):
    rates = np.where(membership == 1, inside, outside)
    return (np.random.default_rng(seed).random(membership.shape) < rates).astype(int)


def test_complementary_columns_are_the_supersample_itself(x64):
    half = np.random.default_rng(0).integers(2, size=(10, 12))
    mask = np.stack([half, 1 - half], 1).reshape(20, 12)
    order = np.random.default_rng(1).permutation(24)
    membership = np.concatenate([1 - mask, mask], 1)[:, order]
    losses = memory(2, membership)
    found = bounds.from_membership(membership, losses, draws=4)
    assert found.form == "complementary"
    where = np.argsort(order)
    paired = np.stack([losses[:, where[:12]], losses[:, where[12:]]], -1)
    wanted = bounds.ld_cmi(paired, mask, correction="polynomial")
    # Which member is called the first does not matter.
    for name in ("value", "information"):
        assert float(getattr(found.bounds["ld_cmi"], name)) == pytest.approx(
            float(getattr(wanted, name)), abs=1e-9
        )
    inside = losses[membership == 1].mean()
    assert float(found.train_error.value) == pytest.approx(inside)
    assert float(found.gap.value) == pytest.approx(losses[membership == 0].mean() - inside)


def test_random_subsets_are_paired_by_the_models_that_tell(x64):
    membership = np.random.default_rng(3).integers(2, size=(40, 30))
    losses = memory(4, membership)
    found = bounds.from_membership(membership, losses, draws=20, correction=None)
    assert found.form == "split" and "same rule" in " ".join(found.remarks)
    for name in ("single_loss", "ld_cmi", "e_cmi", "single_example"):
        value, law = found.bounds[name], found.nulls[name]
        assert bounds.verdict(value, law, 40) == "above its null", name
        assert float(value.value) > float(found.gap.value)
    strangers = np.random.default_rng(5).permutation(losses)
    blind = bounds.from_membership(membership, strangers, draws=20, correction=None)
    for name, value in blind.bounds.items():
        law = blind.nulls[name]
        # A spread from twenty deals: four of them.
        assert abs(value.information - law.information) < 4 * law.information_spread
    scaled = bounds.from_membership(membership, 4.0 * losses, clip=4.0, correction=None, draws=2)
    assert float(scaled.bounds["ld_cmi"].value) == pytest.approx(
        4 * float(found.bounds["ld_cmi"].value), abs=1e-9
    )


def test_rare_members_are_judged_alone_and_constant_ones_left_out(x64):
    membership = np.zeros((30, 20), int)
    membership[np.arange(30), np.arange(30) % 18] = 1
    found = bounds.from_membership(membership, memory(6, membership), draws=4)
    assert found.form == "single" and list(found.bounds) == ["single_example"]
    assert any("2 of 20 examples left out" in remark for remark in found.remarks)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7])
def test_single_examples_bound_every_law(x64, share):
    """Every pair of rates of a fine grid: the population value is never below the gap."""
    scale = 1000
    inside = int(share * scale)
    membership = np.r_[np.ones(inside, int), np.zeros(scale - inside, int)]
    for p, q in itertools.product((0.0, 0.1, 0.5, 0.9, 1.0), repeat=2):
        # Real losses in fractions of counts stand for exact laws.
        losses = np.where(membership == 1, p, q)
        data, _ = examples.pool(losses[:, None], membership[:, None], None, None)
        value = subset_bound.subset_bound(data)
        assert float(value.value) >= abs(q - p) - 1e-9
        if share == 0.5:
            assert float(value.value) == pytest.approx(np.sqrt(2 * float(value.information)))


def test_a_rare_membership_is_no_fair_coin(x64):
    """Of one model in ten little can be told: inverted as a coin, a gap of 1 read as 0.7."""
    membership = np.r_[np.ones(100, int), np.zeros(900, int)][:, None]
    data, _ = examples.pool(1.0 - membership, membership, None, None)
    value = subset_bound.subset_bound(data)
    assert float(value.value) >= 1 > float(bounds.invert.js(0.0, value.information)) + 0.2
    with pytest.raises(ValueError, match="no information of the weights"):
        bounds.binary_js(0.0, value)


def test_leave_one_out_matrices(x64):
    membership = 1 - np.eye(6, dtype=int)[::-1]
    losses = 1 - membership
    found = bounds.from_membership(membership, losses, draws=2)
    assert float(found.bounds["leave_one_out"].information) == pytest.approx(np.log(6))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, e: (m, e[:, :-1]), "give .models, examples."),
        (lambda m, e: (0 * m, e), "membership never varies"),
        (lambda m, e: (m, e * 3.0), r"outside \[0, 1\]; give clip="),
        (lambda m, e: (2 * m, e), "masks holds other values than 0 and 1"),
    ],
)
def test_refusals(change, message):
    membership = np.random.default_rng(0).integers(2, size=(10, 8))
    with pytest.raises(ValueError, match=message):
        bounds.from_membership(*change(membership, memory(0, membership)))
    with pytest.raises(ValueError, match="form='complementary' needs"):
        bounds.from_membership(membership, memory(0, membership), form="complementary")


def test_losses_the_wrong_way_round_are_noticed():
    membership = np.random.default_rng(0).integers(2, size=(30, 40))
    losses = memory(1, membership)

    def said(losses, membership):
        means = [(losses * s).sum(1) / s.sum(1) for s in (membership, 1 - membership)]
        return " ".join(mistakes.backwards(*means, masks="membership"))

    assert said(losses, membership) == ""
    assert said(1 - losses, membership).index("correctness") < 90
    turned = said(losses, 1 - membership)
    assert turned.index("held out") < turned.index("correctness")
    assert mistakes.close_name("Masks", ("mask", "losses")) == ": did you mean 'mask'?"
    assert mistakes.close_name("weights", ("mask", "losses")) == ""


def test_remembered_examples_and_their_intervals(x64):
    rng = np.random.default_rng(7)
    half = rng.integers(2, size=(1, 15, 300))
    masks = np.stack([half, 1 - half], 2).reshape(1, 30, 300)
    ghost = np.arange(2) != masks[..., None]
    rates = np.where(ghost, 0.4, 0.1)
    losses = (rng.random(ghost.shape) < rates).astype(int)
    found = bounds.remembered(losses, masks)
    assert found.memory.shape == (1, 300, 2)
    cover = np.mean((found.low <= 0.3) & (found.high >= 0.3))
    # 600 intervals of 95 %: three standard errors are .027.
    assert cover > 0.95 - 0.027
    assert float(found.memory.mean()) == pytest.approx(0.3, abs=0.03)
    assert float(found.remembered.mean()) < 0.05
    perfect = bounds.remembered(ghost.astype(int), masks)
    assert bool(perfect.remembered.all()) and float(perfect.memory.min()) == 1
    pool = bounds.remembered(losses[0, :, :, 1], masks[0])
    np.testing.assert_allclose(pool.memory, found.memory[0, :, 1], atol=1e-12)
    never = bounds.remembered(losses[0, :, :, 1], np.ones_like(masks[0]))
    assert np.isnan(never.memory).all() and not bool(never.remembered.any())
    with pytest.raises(ValueError, match="level=2"):
        bounds.remembered(losses, masks, level=2)


def test_memory_of_classes_is_the_mean_of_their_examples(x64):
    rng = np.random.default_rng(0)
    labels, masks = rng.integers(0, 3, (4, 9, 2)), rng.integers(0, 2, (4, 12, 9))
    wrong = (np.arange(2) != masks[..., None]) & (rng.random((4, 12, 9, 2)) < 0.5)
    losses = wrong & (labels == 1)[:, None]
    found = bounds.remembered_by_class(losses, masks, labels, 4)
    each = bounds.remembered(losses, masks)
    for c in range(3):
        np.testing.assert_allclose(found.memory[c], np.mean(each.memory[labels == c]), rtol=1e-12)
    assert list(found.examples) == [*np.bincount(labels.ravel(), minlength=3), 0]
    assert np.isnan(found.memory[3]) and np.isnan(found.low[3])
    assert found.low[1] > 0.2 and found.memory[0] == found.high[0] == 0
    # the jackknife of a ratio over supersamples, by hand
    total = np.where(labels == 1, each.memory, 0).sum((1, 2))
    number = (labels == 1).sum((1, 2))
    left = (total.sum() - total) / (number.sum() - number)
    error = np.sqrt(3 / 4 * np.sum((left - left.mean()) ** 2))
    assert found.std_error[1] == pytest.approx(error)
    assert found.high[1] - found.memory[1] == pytest.approx(stats.t.ppf(0.975, 3) * error)
    # one supersample is the pool of its examples
    pool = np.stack([1 - masks[0], masks[0]], -1).reshape(12, 18)
    one = bounds.remembered_by_class(losses[:1], masks[:1], labels[:1], 3)
    flat = bounds.remembered_by_class(losses[0].reshape(12, 18), pool, labels[0].ravel(), 3)
    for a, b in zip(one, flat):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    halved = bounds.remembered_by_class(5.0 * losses, masks, labels, 3, clip=10.0)
    np.testing.assert_allclose(halved.memory, 5 * found.memory[:3], rtol=1e-12)


def test_intervals_of_classes_cover(x64):
    """Networks that forget: the interval of each class holds 0 as often as it says."""
    rng = np.random.default_rng(1)
    covered, labels = [], rng.integers(0, 2, (8, 10, 2))
    for _ in range(60):
        half = rng.integers(0, 2, (8, 4, 10))
        masks = np.stack([half, 1 - half], 2).reshape(8, 8, 10)
        losses = (rng.random((8, 8, 10, 2)) < 0.3).astype(int)
        found = bounds.remembered_by_class(losses, masks, labels, 2)
        covered += list((np.asarray(found.low) <= 0) & (np.asarray(found.high) >= 0))
    assert np.mean(covered) > 0.88  # 120 intervals of 95 %: more than three deviations below


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(5, int)}, r"labels has shape \(5,\); give \(6,\)"),
        ({"labels": np.full(6, 2)}, r"labels must lie in 0..1"),
        ({"labels": np.full(6, 0.5)}, r"labels must lie in 0..1"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"level": 1.0}, "level=1.0"),
    ],
)
def test_refusals_of_classes(change, message):
    bits = np.random.default_rng(0).integers(0, 2, (8, 6))
    given = {"labels": np.zeros(6, int), "num_classes": 2, **change}
    with pytest.raises(ValueError, match=message):
        bounds.remembered_by_class(1 - bits, bits, **given)
