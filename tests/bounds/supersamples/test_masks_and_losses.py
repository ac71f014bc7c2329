"""Masks that tell nothing are unknown, not zero; real losses enter as fractions of coins."""

import jax
import numpy as np
import pytest

from ibjax import bounds
from ibjax.bounds.supersamples import replica_tables


def couples(seed, k1=2, half=5, n=6):
    bits = np.random.default_rng(seed).integers(2, size=(k1, half, n))
    return np.stack([bits, 1 - bits], 2).reshape(k1, 2 * half, n)


def ghosts(masks):
    """Wrong on every member that was not trained on: a gap of 1."""
    return (np.arange(2) != np.asarray(masks)[..., None]).astype(int)


BOUNDS = {
    "e": bounds.e_cmi,
    "ld": bounds.ld_cmi,
    "single": bounds.single_loss,
    "polynomial": lambda e, m: bounds.ld_cmi(e, m, correction="polynomial"),
    "conservative": lambda e, m: bounds.ld_cmi(e, m, correction="conservative"),
    "pair": lambda e, m: bounds.ld_cmi(e, m, inversion="pair"),
    "f": lambda e, m: bounds.f_cmi(e, m, 2),
    "f_information": bounds.f_information,
    "per_class": lambda e, m: bounds.per_class(e, np.zeros_like(e[:, 0]), m, 2).bound,
    "profile": lambda e, m: bounds.information_profile([e], m),
}


@pytest.mark.parametrize("name", list(BOUNDS))
def test_the_same_mask_in_every_replica_is_unknown(x64, name):
    masks = couples(0)
    same = np.broadcast_to(masks[:, :1], masks.shape)
    one = same.copy()
    one[:, :, 0] = masks[:, :, 0]
    for bits in (same, one):
        value = BOUNDS[name](ghosts(bits), bits)
        first = np.ravel(value.value)[0], np.ravel(value.holds)[0]
        assert np.isnan(first[0]) and not first[1], name


def test_unknown_under_jit_and_the_note_says_why(x64):
    masks = couples(1)
    same = np.broadcast_to(masks[:, :1], masks.shape)
    assert not bool(jax.jit(bounds.ld_cmi)(ghosts(same), same).holds)
    note = bounds.ld_cmi(ghosts(same), same).note
    assert "never varies in 12 of 12 pairs" in note and "only 1 distinct masks" in note
    # One table of all pairs has both bits, and is what it always was.
    assert float(bounds.ld_cmi(ghosts(same), same, pooled=True).value) > 0.9


def test_a_bit_that_chance_left_constant_is_left_out(x64):
    masks = np.random.default_rng(2).integers(2, size=(1, 4, 12))
    masks[0, :2, :] = [[0] * 12, [1] * 12]
    masks[0, :, 5] = 1
    losses = np.random.default_rng(3).integers(2, size=(1, 4, 12, 2))
    found = bounds.ld_cmi(losses, masks)
    keep = np.arange(12) != 5
    wanted = bounds.ld_cmi(losses[:, :, keep], masks[:, :, keep])
    assert float(found.value) == pytest.approx(float(wanted.value), abs=1e-12)
    assert "1 of 12 pairs left out" in found.note
    # Where the couples are balanced no bit is ever constant by chance.
    many = couples(4, 1, 15, 12)
    many[..., 5] = 1
    assert not bool(bounds.ld_cmi(np.zeros((*many.shape, 2), int), many).holds)


def test_fair_masks_are_hardly_ever_refused():
    rng = np.random.default_rng(5)
    refused = 0

    @jax.jit
    @jax.vmap
    def fair(masks):
        losses = np.zeros((*masks.shape, 2), int)
        return replica_tables.fair(replica_tables.prepare_losses(losses, masks, None)[0])

    for k2 in (2, 3, 6):
        refused += 100 - int(fair(rng.integers(2, size=(100, 1, k2, 30))).sum())
    # Chernoff's bound at one per cent: three expected at most.
    assert refused <= 8


def test_repeated_masks_are_named(x64):
    masks = couples(6, 1, 2, 20).repeat(5, 1)
    note = bounds.ld_cmi(np.zeros((*masks.shape, 2), int), masks).note
    assert "only 4 distinct masks among 20 replicas" in note
    every = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[None].repeat(5, 1)
    assert "distinct" not in bounds.ld_cmi(np.zeros((*every.shape, 2), int), every).note


def test_one_supersample_without_its_axis_and_shared_masks(x64):
    masks = couples(7)
    losses = np.random.default_rng(7).integers(2, size=(*masks.shape, 2))
    one = bounds.ld_cmi(losses[0], masks[0], valid=np.arange(10) > 1)
    full = bounds.ld_cmi(losses[:1], masks[:1], valid=(np.arange(10) > 1)[None])
    assert float(one.value) == float(full.value)
    shared = bounds.e_cmi(losses, masks[0])
    assert float(shared.value) == float(bounds.e_cmi(losses, masks[:1].repeat(2, 0)).value)
    with pytest.raises(ValueError, match=r"masks has shape \(10, 5\).*or \(10, 6\) shared"):
        bounds.e_cmi(losses, masks[0, :, 1:])


def test_real_losses_have_the_information_of_their_coins(x64):
    masks = couples(8)
    losses = np.where(ghosts(masks) == 1, 2 / 5, 2 / 7)
    value = bounds.single_loss(losses, masks)
    # Jensen-Shannon divergence of two coins at 2/7 and 2/5, as tabulated.
    assert float(value.information) == pytest.approx(0.0072718119, abs=1e-9)
    js = bounds.single_loss(losses, masks, inversion="js")
    assert float(js.value) == pytest.approx(2 / 5 - 2 / 7, abs=1e-8)
    for bound in (bounds.e_cmi, bounds.ld_cmi):
        for inversion in ("sqrt", "phi", "pair", "kl_half"):
            assert float(bound(losses, masks, inversion=inversion).value) > 2 / 5 - 2 / 7


def test_fractions_never_read_more_than_tossed_coins(x64):
    masks = couples(9)
    rng = np.random.default_rng(9)
    losses = rng.random((*masks.shape, 2))
    each = jax.jit(jax.vmap(lambda e: bounds.ld_cmi(e, masks).information))
    tossed = each((rng.random((200, *losses.shape)) < losses).astype(int))
    assert float(bounds.ld_cmi(losses, masks).information) < float(tossed.mean())


def test_clipped_losses_and_their_unit(x64):
    masks = couples(10)
    losses = np.random.default_rng(10).integers(2, size=(*masks.shape, 2))
    for inversion in ("sqrt", "pair"):
        one = bounds.ld_cmi(losses, masks, inversion=inversion)
        four = bounds.ld_cmi(4.0 * losses - 1, masks, inversion=inversion, clip=(-1, 3))
        for name in ("value", "std_error"):
            assert float(getattr(four, name)) == pytest.approx(4 * float(getattr(one, name)))
        assert float(four.information) == pytest.approx(float(one.information))
    wide = bounds.ld_cmi(losses * 9.0, masks, clip=1.0)
    assert float(wide.value) == pytest.approx(float(bounds.ld_cmi(losses, masks).value))
    broken = losses.astype(float)
    broken[:, 0] = np.nan
    valid = np.arange(20).reshape(2, 10) % 10 > 0
    kept = bounds.ld_cmi(losses, masks, valid=valid)
    assert float(bounds.ld_cmi(broken, masks, valid=valid, clip=1.0).value) == float(kept.value)
    for keywords, message in [
        (dict(losses=losses * 2.0), r"outside \[0, 1\]; give clip="),
        (dict(losses=broken), "losses holds NaN; mark diverged"),
        (dict(losses=broken, clip=1.0), "losses holds NaN; mark diverged"),
        (
            dict(losses=np.where(valid[..., None, None], losses * 2.0, np.nan), valid=valid),
            "outside",
        ),
        (dict(losses=losses, clip=(1, 1)), "clip=.*must be one finite number"),
        (dict(losses=losses * 0.5, correction="jackknife"), "needs whole counts"),
        (dict(losses=losses, correction="polynomial", pooled=True), "one table a pair"),
    ]:
        with pytest.raises(ValueError, match=message):
            bounds.ld_cmi(masks=masks, **keywords)


def test_every_table_of_losses_takes_real_ones_as_coins_in_fractions(x64):
    """Halves count as both letters: the tables are those of every way the coins can fall."""
    rng = np.random.default_rng(5)
    losses = rng.integers(0, 3, (3, 6, 4, 2)) / 2
    half = rng.integers(0, 2, (3, 3, 4))
    masks = np.stack([half, 1 - half], 2).reshape(3, 6, 4)
    tosses = np.array([[[a, b] for b in (0, 1)] for a in (0, 1)]).reshape(4, 1, 2)
    coins = np.where(losses[:, :, None] == 0.5, tosses, losses[:, :, None])
    coins, each = coins.reshape(3, 24, 4, 2).astype(int), masks.repeat(4, 1)
    labels = rng.integers(0, 2, (3, 4, 2))
    for form in ("chi2", "mutual_tv"):
        for pooled in (False, True):
            found = bounds.f_information(losses, masks, form=form, pooled=pooled)
            whole = bounds.f_information(coins, each, form=form, pooled=pooled)
            np.testing.assert_allclose(found.value, whole.value, rtol=1e-12)
            np.testing.assert_allclose(found.std_error, whole.std_error, rtol=1e-9)
    found, whole = (bounds.per_class(e, labels, m, 2) for e, m in ((losses, masks), (coins, each)))
    np.testing.assert_allclose(found.bound.value, whole.bound.value, rtol=1e-12)
    np.testing.assert_allclose(found.gap, whole.gap, rtol=1e-12)
    doubled = bounds.per_class(3 * losses, labels, masks, 2, clip=(0, 3))
    np.testing.assert_allclose(doubled.bound.value, 3 * found.bound.value, rtol=1e-12)
    np.testing.assert_allclose(doubled.gap, 3 * found.gap, rtol=1e-12)
    with pytest.raises(ValueError, match="whole counts"):
        bounds.per_class(losses, labels, masks, 2, correction="jackknife")
    for wrong in (labels + 1, np.where(labels == 1, 0.5, 0)):
        with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1"):
            bounds.per_class(losses, wrong, masks, 2)
    for bound in (bounds.f_information, bounds.ld_cmi):
        with pytest.raises(ValueError, match=r"clip=\(low, high\)"):
            bound(3 * losses, masks)


@pytest.mark.parametrize("flag", [2, np.nan, -1, 0.5])
def test_flags_are_booleans_or_ones_and_zeros(flag):
    losses, masks = np.zeros((2, 4, 3, 2), int), np.arange(24).reshape(2, 4, 3) % 2
    valid = np.ones((2, 4))
    valid[0, 1] = flag
    for call in (bounds.ld_cmi, bounds.f_information, bounds.remembered, bounds.cmi_limit):
        with pytest.raises(ValueError, match="valid holds"):
            call(losses, masks, valid=valid)
    with pytest.raises(ValueError, match="diverged holds"):
        bounds.mean_over_replicas(np.zeros((2, 4)), valid)


def test_with_the_masks_of_strangers_no_recommended_row_is_far_from_zero(x64):
    """Replicas that remember much, each with the mask of another: nothing is known of them."""
    rows = {
        name: row
        for name, row in bounds.registry().items()
        if getattr(row.measure, "keywords", {}).get("correction") == "polynomial"
    }
    assert {"e_cmi", "ld_cmi", "single_loss", "ld_cmi_pair", "f_cmi"} <= set(rows)
    far = own = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        half = rng.integers(0, 2, (6, 10, 15))
        masks = np.stack([half, 1 - half], 2).reshape(6, 20, 15)
        rate = np.where(np.arange(2) == masks[..., None], 0.02, 0.4)
        wrong = (rng.random((6, 20, 15, 2)) < rate).astype(int)
        labels = np.zeros((6, 15, 2), int)
        for mask in (masks, np.roll(masks, 2, 1)):
            arrays = {"mask": mask, "predictions": wrong, "labels": labels, "num_classes": 2}
            found = bounds.evaluate(bounds.from_arrays(arrays), names=list(rows))
            beyond = [bool(b.value > 1.96 * b.std_error) for b in found.values()]
            own += sum(beyond) if mask is masks else 0
            far += sum(beyond) if mask is not masks else 0
    assert own == 8 * len(rows) and far <= 3


@pytest.mark.parametrize("ends", [(0.3, 1.7), (-1.3, 2.9), (0.1, 0.4), (0.0, 3.3)])
def test_losses_at_the_ends_of_their_range_are_within_it_in_any_precision(dtype, ends):
    masks = couples(10)
    losses = np.random.default_rng(10).integers(2, size=(*masks.shape, 2))
    low, high = np.asarray(ends, dtype)
    plain = bounds.ld_cmi(losses, masks)
    clipped = bounds.ld_cmi(np.where(losses, high, low), masks, clip=ends)
    assert float(clipped.information) == float(plain.information)
    assert float(clipped.value) == pytest.approx((ends[1] - ends[0]) * float(plain.value), rel=1e-6)


@pytest.mark.parametrize("ends", [1e39, 1e-46, (1e9, 1e9 + 1), (-3e38, 3e38), (0, np.nan), (2, 1)])
def test_a_range_that_single_precision_does_not_hold_is_refused(ends):
    masks = couples(10)
    with pytest.raises(ValueError, match=r"clip=.*apart in float32"):
        bounds.ld_cmi(np.zeros((*masks.shape, 2)), masks, clip=ends)
