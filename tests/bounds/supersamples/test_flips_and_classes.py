import itertools

import jax
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


def _slow_stability(losses, masks, flipped, pairs, valid):
    """Rows of gap, hypothesis, fresh, error by supersample, and the largest change, by loops."""
    n, rows, largest = masks.shape[2], [], 0.0
    for s in range(len(masks)):
        couples = []
        for u, j in np.argwhere(valid[s]):
            i, change = pairs[s, u, j], flipped[s, u, j] - losses[s, u]
            left, joined = masks[s, u, i], 1 - masks[s, u, i]
            gap = (change[i, left] - change[i, joined]) / 2
            ghosts = [change[p, 1 - masks[s, u, p]] for p in range(n) if p != i]
            hypothesis = (abs(change[i, 0]) + abs(change[i, 1])) / 2
            couples.append((gap, hypothesis, np.mean(np.abs(ghosts)), abs(np.mean(ghosts))))
            largest = max(largest, np.abs(change).max())
        if couples:
            rows.append(np.mean(couples, 0))
    return np.array(rows), largest


@pytest.mark.parametrize("which", ["all", "masks", "couples"])
def test_stability_is_its_definition_on_the_runs_that_converged(x64, which):
    rng = np.random.default_rng(7)
    masks, pairs = rng.integers(0, 2, (4, 5, 3)), rng.integers(0, 3, (4, 5, 2))
    losses, flipped = rng.random((4, 5, 3, 2)), rng.random((4, 5, 2, 3, 2))
    valid = np.ones((4, 5) if which == "masks" else (4, 5, 2), bool)
    if which != "all":
        valid[0, 1], valid[2, 3], valid[1] = False, False, False
        flipped[~valid] = np.nan
        if which == "masks":
            losses[~valid], masks[~valid] = np.nan, 7
        else:
            pairs[~valid] = 9
    each = valid if valid.ndim == 3 else np.repeat(valid[..., None], 2, -1)
    rows, largest = _slow_stability(losses, masks, flipped, pairs, each)
    assert len(rows) == (4 if which == "all" else 3)
    argument = None if which == "all" else valid
    for call in (bounds.flip_stability, jax.jit(bounds.flip_stability)):
        found = call(losses, masks, flipped, pairs, valid=argument)
        np.testing.assert_allclose([e.value for e in found[:4]], rows.mean(0), atol=1e-12)
        error = rows.std(0, ddof=1) / np.sqrt(len(rows))
        np.testing.assert_allclose([e.std_error for e in found[:4]], error, atol=1e-12)
        assert float(found.uniform) == pytest.approx(largest, abs=1e-12)
    if which != "all":
        spoilt = bounds.flip_stability(losses, masks % 2, flipped, pairs % 3)
        assert np.isnan(spoilt.fresh.value) and not spoilt.fresh.ok and np.isnan(spoilt.uniform)
        none = bounds.flip_stability(losses, masks, flipped, pairs, valid=0 * valid)
        assert np.isnan(none.gap.value) and np.isnan(none.uniform)


def test_rules_of_equal_risk_differ_on_a_few_examples(x64):
    """The rules "always 0" and "always 1" on fair labels: equal risk, error E|mean of 2 signs|."""
    y = np.array(list(itertools.product((0, 1), repeat=6))).reshape(-1, 1, 3, 2)
    masks, pairs = np.zeros((64, 1, 3), int), np.zeros((64, 1, 1), int)
    found = bounds.flip_stability(y, masks, 1 - y[:, :, None], pairs)
    assert float(found.error.value) == pytest.approx(0.5, abs=1e-12)
    assert found.error.bias == "up"
    assert {e.bias for e in (found.gap, found.hypothesis, found.fresh)} == {"none"}


def test_one_pair_leaves_no_fresh_example(x64):
    masks, zeros = np.array([[[0], [1]]] * 2), np.zeros((2, 2, 1, 2))
    found = bounds.flip_stability(zeros, masks, zeros[:, :, None], np.zeros((2, 2, 1), int))
    assert float(found.gap.value) == 0 and found.gap.ok and found.hypothesis.ok
    for estimate in (found.fresh, found.error):
        assert np.isnan(estimate.value) and not estimate.ok


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


def _flip(e, m, **options):
    return bounds.flip_stability(e, m, e[:, :, None], np.zeros((2, 8, 1), int), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, e: bounds.flip_masks(m, np.zeros((2, 3))), "pairs"),
        (lambda m, e: bounds.flip_masks(m, np.full((2, 8, 1), 9)), "pairs holds 9"),
        (lambda m, e: bounds.flip_masks(m + 5, np.zeros((2, 8, 1))), "masks holds"),
        (lambda m, e: _flip(e, m + 5), r"masks holds [56]; give integers in 0\.\.1"),
        (lambda m, e: _flip(e, m, valid=np.ones(2)), "valid has shape"),
        (lambda m, e: _flip(e, m[0]), "masks has shape"),
        (lambda m, e: bounds.flip_stability(e, m, e, np.zeros((2, 8, 1), int)), "flipped"),
        (lambda m, e: bounds.flip_stability(e, m, e[:, :, None], np.full((2, 8, 1), 9)), "0..2"),
        (lambda m, e: bounds.per_class(e, e[:, 0, :2], m, 2), "labels"),
        (lambda m, e: bounds.per_class(e, 5 + e[:, 0], m, 2), "labels"),
    ],
)
def test_refusals(call, message):
    _, _, masks, _, losses = _memoriser(np.random.default_rng(4), 2, 3)
    with pytest.raises(ValueError, match=message):
        call(masks, losses)


def test_jit_gives_the_same(x64):
    _, y, masks, _, losses = _memoriser(np.random.default_rng(5), 3, 3)
    eager = bounds.per_class(losses, y, masks, 2)
    traced = jax.jit(lambda e, y, m: bounds.per_class(e, y, m, 2))(losses, y, jnp.asarray(masks))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), eager, traced)
