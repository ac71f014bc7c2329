"""In/out matrices: pairs found or drawn, single examples, leave-one-out, common mistakes."""

import itertools

import numpy as np
import pytest

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
