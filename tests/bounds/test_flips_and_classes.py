import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import bounds


def _memoriser(rng, k1, n):
    """Every mask of k1 supersamples; the loss is 0 on cells whose majority was right."""
    x, y = rng.integers(0, 3, (k1, n, 2)), rng.integers(0, 2, (k1, n, 2))
    masks = np.array(list(itertools.product((0, 1), repeat=n)))
    masks = np.broadcast_to(masks, (k1, *masks.shape))
    predictions = _predict(x, y, masks)
    return x, y, masks, predictions, (predictions != y[:, None]).astype(int)


def _predict(x, y, masks):
    tx = np.take_along_axis(x[:, None], masks[..., None], -1)[..., 0]
    ty = np.take_along_axis(y[:, None], masks[..., None], -1)[..., 0]
    rule = np.stack([np.sum((tx == c) * (2 * ty - 1), -1) > 0 for c in range(3)], -1)
    at = np.broadcast_to(x[:, None], (*masks.shape, 2)).reshape(*masks.shape[:2], -1)
    return np.take_along_axis(rule, at, -1).reshape(*masks.shape, 2).astype(int)


def test_stability_is_the_gap_when_every_mask_and_every_flip_is_seen(x64):
    x, y, masks, _, losses = _memoriser(np.random.default_rng(0), 5, 3)
    pairs = np.broadcast_to(np.arange(3), (5, 8, 3))
    flips = np.asarray(bounds.flip_masks(masks, pairs))
    assert (np.abs(flips.reshape(5, 8, 3, 3) - masks[:, :, None]).sum(-1) == 1).all()
    flipped = (_predict(x, y, flips) != y[:, None]).astype(int).reshape(5, 8, 3, 3, 2)
    found = bounds.flip_stability(losses, masks, flipped, pairs)
    train = np.take_along_axis(losses, masks[..., None], -1)
    test = np.take_along_axis(losses, 1 - masks[..., None], -1)
    each = (test - train).mean((1, 2, 3))
    assert float(found.gap.value) == pytest.approx(each.mean(), abs=1e-12)
    assert float(found.gap.std_error) == pytest.approx(each.std(ddof=1) / 5**0.5, abs=1e-12)
    assert float(found.hypothesis.value) >= float(found.gap.value)
    assert float(found.uniform) == 1.0
    assert float(found.error.value) <= float(found.fresh.value) + 1e-12


def test_an_algorithm_that_ignores_its_data_is_perfectly_stable():
    _, _, masks, _, losses = _memoriser(np.random.default_rng(1), 2, 3)
    fixed = np.broadcast_to(losses[:, :1], losses.shape)
    pairs = np.zeros((2, 8, 1), int)
    found = bounds.flip_stability(fixed, masks, fixed[:, :, None], pairs)
    assert [float(e.value) for e in found[:4]] == [0, 0, 0, 0] and float(found.uniform) == 0


def test_class_bounds_hold_and_split_the_gap(x64):
    _, y, masks, _, losses = _memoriser(np.random.default_rng(2), 40, 4)
    found = bounds.per_class(losses, y, masks, 2)
    assert (np.asarray(found.bound.value) >= np.abs(found.gap)).all()
    train = np.take_along_axis(losses, masks[..., None], -1)
    test = np.take_along_axis(losses, 1 - masks[..., None], -1)
    whole = (test - train).mean()
    assert float(found.share @ found.gap) == pytest.approx(whole, abs=1e-12)
    one_class = bounds.per_class(losses, np.zeros_like(y), masks, 2)
    assert float(one_class.bound.value[0]) == pytest.approx(
        float(bounds.ld_cmi(losses, masks).value), abs=1e-12
    )
    assert np.isnan(one_class.gap[1])


def test_the_profile_decreases_towards_the_loss(x64):
    _, _, masks, predictions, losses = _memoriser(np.random.default_rng(3), 6, 4)
    features = 7 * predictions + 3 * np.arange(16)[None, :, None, None] % 2
    profile = bounds.information_profile([features, predictions, losses], masks)
    info = np.asarray(profile.information)
    assert info[0] > info[1] - 1e-12 and info[1] >= info[2] - 1e-12
    same = bounds.f_cmi(predictions, masks, 2)
    assert float(profile.value[1]) == pytest.approx(float(same.value), abs=1e-12)
    unique = np.broadcast_to(np.arange(16)[None, :, None, None], losses.shape)
    assert float(bounds.information_profile([unique], masks).information[0]) == pytest.approx(
        np.log(2), abs=1e-12
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, e: bounds.flip_masks(m, np.zeros((2, 3))), "pairs"),
        (lambda m, e: bounds.flip_stability(e, m, e, np.zeros((2, 8, 1), int)), "flipped"),
        (lambda m, e: bounds.flip_stability(e, m, e[:, :, None], np.full((2, 8, 1), 9)), "0..2"),
        (lambda m, e: bounds.per_class(e, e[:, 0, :2], m, 2), "labels"),
        (lambda m, e: bounds.per_class(e, 5 + e[:, 0], m, 2), "labels"),
        (lambda m, e: bounds.information_profile([], m), "empty"),
    ],
)
def test_refusals(call, message):
    _, _, masks, _, losses = _memoriser(np.random.default_rng(4), 2, 3)
    with pytest.raises(ValueError, match=message):
        call(masks, losses)


def test_jit_gives_the_same(x64):
    import jax

    _, y, masks, predictions, losses = _memoriser(np.random.default_rng(5), 3, 3)
    eager = bounds.per_class(losses, y, masks, 2)
    traced = jax.jit(lambda e, y, m: bounds.per_class(e, y, m, 2))(losses, y, jnp.asarray(masks))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), eager, traced)
    profile = jax.jit(lambda p, e, m: bounds.information_profile([p, e], m).value)
    np.testing.assert_allclose(
        profile(predictions, losses, jnp.asarray(masks)),
        bounds.information_profile([predictions, losses], masks).value,
        atol=1e-12,
    )
